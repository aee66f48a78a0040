"""What the training of a physics-informed network returns."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..core.method import AbstractSolution
from .residual_system import ResidualSystem


class PINNSolution(AbstractSolution):
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

    def __call__(self, z: Float[Array, "*batch d"]) -> Array:
        """The solution at points."""
        u, _ = self.system.function(self.vector)
        return self._at_points(u, z)

    def partials(self, z: Float[Array, "*batch d"], *which: Any) -> tuple[Array, ...]:
        """Derivatives of the solution at points, named as in `domain.partials`."""
        u, _ = self.system.function(self.vector)
        return self._at_points(lambda z: self.domain.partials(u, z, *which), z)

    def residual(self, z: Float[Array, "*batch d"]) -> Array:
        """The residual of the equation at points, (..., k) for k equations."""
        return self._at_points(lambda z: self.system.residual(self.vector, z), z)

    def error(self, z: Float[Array, "*batch d"]) -> Array:
        """The estimated error `solution - truth` at points, to first order: where the solution is wrong.

        The part of the residual that the network cannot represent is missing here, and present in `error_estimate`.
        """

        def change(z: Array) -> Array:
            value = lambda vector: self.system.function(vector)[0](z)
            return -jax.jvp(value, (self.vector,), (self.correction,))[1]

        return self._at_points(change, z)

    def _at_points(self, function: Any, z: Any) -> Any:
        dtype = self.domain.lower.dtype
        z = jnp.asarray(z, dtype)
        if z.ndim == 0 or z.shape[-1] != self.domain.dim:
            msg = (
                f"Points have the coordinates {self.domain.names}, shape (..., {self.domain.dim}); got {z.shape}. Give "
                "all coordinates along the last axis."
            )
            raise ValueError(msg)
        for _ in range(z.ndim - 1):
            function = jax.vmap(function)
        return function(z)
