"""What the training of a physics-informed network returns."""

import os
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

    def gradient(self, z: Float[Array, "*batch d"]) -> Array:
        """First derivatives by all coordinates at points, (..., d), or (..., m, d) for m unknown functions."""
        u, _ = self.system.function(self.vector)
        return self._at_points(jax.jacfwd(u), z)

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

    def plot(self, ax: Any = None, *, of: Any = None, at: Any = None, component: int = 0) -> Any:
        """Draw the solution over one or two coordinates.

        Parameters
        ----------
        ax
            Matplotlib axes to draw on. None makes a new figure.
        of
            A function of points (..., d) to draw instead, such as `sol.error` or `lambda z: sol.residual(z)[..., 0]`.
        at
            Values of the coordinates that are held fixed, `{"t": 0.5}`.
        component
            Which unknown function.

        Returns
        -------
        matplotlib.axes.Axes
            What was drawn on; `ax.figure.savefig(path)` keeps it.

        Raises
        ------
        ImportError
            Without Matplotlib, which the extra `plot` installs.
        ValueError
            When more than two coordinates are left, or none, or `at` names one that does not exist.
        """
        from .solution_plot import plot_on_domain

        return plot_on_domain(self.domain, self if of is None else of, ax, at, component)

    def save(self, path: str | os.PathLike) -> None:
        """Write the solution to a file, atomically; `sj.pinn.load_solution(path, problem, method)` reads it."""
        from .solution_file import save_solution

        save_solution(path, self)

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
