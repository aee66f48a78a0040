"""What the training of a physics-informed network returns."""

import os
from typing import Any

import jax
from jaxtyping import Array, Float, PyTree

from .residual_system import ResidualSystem
from .trained_function import AbstractTrainedFunction


class PINNSolution(AbstractTrainedFunction):
    """A trained function with its error estimate.

    Call it with points, shape (..., d); the result has shape (...), or (..., m) for m unknown functions.

    Attributes
    ----------
    error_estimate
        Estimated relative L2 error: norm of the error over that of the solution.
    status
        A `PINNStatus` as an integer; `str(sj.pinn.PINNStatus(int(sol.status)))` says what happened.
    unknown
        The unknown parameters of an inverse problem, like the guess; else None.
    residual_norm
        Root mean square of the residual at points that the training did not see.
    history
        `loss` (num_steps,): weighted mean square of all equations before each step; the points change between blocks.
        `error` (num_blocks,): the error estimate after each block of steps.
    stats
        `num_steps`, `num_points`, `num_weights`.
    """

    system: ResidualSystem
    vector: Array
    correction: Array
    error_estimate: Float[Array, ""]
    residual_norm: Float[Array, ""]
    status: Array
    stats: dict[str, Any]
    history: dict[str, Array]

    @property
    def unknown(self) -> PyTree:
        """The unknown parameters that were found."""
        return self.system.unpack(self.vector)[1]

    @property
    def network(self) -> Any:
        """The trained network, without scaling and conditions."""
        return self.system.unpack(self.vector)[0].net

    @property
    def domain(self) -> Any:
        """The domain of the problem."""
        return self.system.problem.domain

    def function(self) -> Any:
        """`u(z)` for one point."""
        return self.system.function(self.vector)[0]

    def residual(self, z: Float[Array, "*batch d"]) -> Array:
        """The residual of the equation at points, (..., k) for k equations."""
        return self.at_points(lambda z: self.system.residual(self.vector, z), z)

    def error(self, z: Float[Array, "*batch d"]) -> Array:
        """The estimated error `solution - truth` at points, to first order: where the solution is wrong.

        The part of the residual that the network cannot represent is missing here, and present in `error_estimate`.
        """

        def change(z: Array) -> Array:
            value = lambda vector: self.system.function(vector)[0](z)
            return -jax.jvp(value, (self.vector,), (self.correction,))[1]

        return self.at_points(change, z)

    def save(self, path: str | os.PathLike) -> None:
        """Write the solution to a file, atomically; `sj.pinn.load_solution(path, problem, method)` reads it."""
        from .solution_file import save_solution

        save_solution(path, self)
