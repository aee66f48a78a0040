"""What every solution of this topic offers that is a function of a point: values, derivatives, residual, pictures."""

import abc
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.method import AbstractSolution


class AbstractTrainedFunction(AbstractSolution):
    """A solution that can be called with points of its domain, shape (..., d)."""

    @property
    @abc.abstractmethod
    def domain(self) -> Any:
        """The domain of the problem."""

    @abc.abstractmethod
    def function(self) -> Callable[[Array], Array]:
        """`u(z)` for one point."""

    @abc.abstractmethod
    def residual(self, z: Float[Array, "*batch d"]) -> Array:
        """The residual of the equation at points, (..., k) for k equations."""

    def __call__(self, z: Float[Array, "*batch d"]) -> Array:
        """The solution at points."""
        return self.at_points(self.function(), z)

    def partials(self, z: Float[Array, "*batch d"], *which: Any) -> tuple[Array, ...]:
        """Derivatives of the solution at points, named as in `domain.partials`."""
        u = self.function()
        return self.at_points(lambda z: self.domain.partials(u, z, *which), z)

    def gradient(self, z: Float[Array, "*batch d"]) -> Array:
        """First derivatives by all coordinates at points, (..., d), or (..., m, d) for m unknown functions."""
        return self.at_points(jax.jacfwd(self.function()), z)

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

    def at_points(self, function: Callable, z: Any) -> Any:
        """`function(z)` at every point of a batch of any shape."""
        z = jnp.asarray(z, self.domain.lower.dtype)
        if z.ndim == 0 or z.shape[-1] != self.domain.dim:
            msg = (
                f"Points have the coordinates {self.domain.names}, shape (..., {self.domain.dim}); got {z.shape}. Give "
                "all coordinates along the last axis."
            )
            raise ValueError(msg)
        for _ in range(z.ndim - 1):
            function = jax.vmap(function)
        return function(z)
