"""What the methods for parabolic equations return."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int

from ..core.method import AbstractSolution
from ..core.status import SolveError
from ..core.tree import is_concrete
from .status import BSDEStatus


class BSDESolution(AbstractSolution):
    """The value at `(t0, x0)` with its errors and, from methods with a network, functions of `(t, x)`.

    `sol(t, x)`, shape (), `sol.gradient(t, x)`, shape (d,), and `sol.z(t, x)` = sigma^T grad u, shape (m,), take one
    point; use `jax.vmap` for many. What a method does not learn is refused with a TypeError.
    """

    u0: Float[Array, ""]
    """The solution at `(t0, x0)`; NaN where the status is a failure."""
    u0_standard_error: Float[Array, ""]
    """Of sampling only: the standard deviation of `u0` over independent paths, networks held fixed."""
    u0_error: Float[Array, ""]
    """Standard error plus estimates of the bias (steps in time, network or level). Two of them should cover."""
    status: Int[Array, ""]
    """A `BSDEStatus` code."""
    stats: dict
    """What the method counted and estimated, by name."""
    losses: Float[Array, " steps"] | None
    """Loss of every training step; None without training."""
    problem: Any
    value_model: Any = None
    z_model: Any = None
    lower: Float[Array, ""] | None = None
    """A lower bound of the value, up to its sampling error; None where the method has none."""
    upper: Float[Array, ""] | None = None
    """An upper bound, likewise."""
    method: str = eqx.field(static=True, default="")

    def __call__(self, t: Any, x: Float[Array, " d"]) -> Float[Array, ""]:
        """The solution at one point."""
        if self.value_model is None:
            msg = (
                f"`sol(t, x)` needs a method that learns the solution as a function, such as `sj.bsde.FBSNN()`; got a "
                f"solution of `{self.method}`. It has `sol.u0`, at t0 and x0."
            )
            raise TypeError(msg)
        return self.value_model(t, x)

    def z(self, t: Any, x: Float[Array, " d"]) -> Float[Array, " m"]:
        """sigma^T grad u at one point."""
        if self.z_model is None:
            msg = (
                f"The gradient needs a method with a network, such as `sj.bsde.DeepBSDE()`; got a solution of "
                f"`{self.method}`. Differentiate its `u0` with respect to `x0` instead."
            )
            raise TypeError(msg)
        return self.z_model(t, x)

    def gradient(self, t: Any, x: Float[Array, " d"]) -> Float[Array, " d"]:
        """The gradient of u at one point (of least length where sigma has more rows than columns)."""
        return self.problem.to_gradient(t, x, self.z(t, x))


def raise_if_failed(solution: BSDESolution, on_failure: str) -> BSDESolution:
    """The solution, or `SolveError` where the status is a concrete failure and `on_failure` is "raise"."""
    if on_failure == "raise" and is_concrete(solution.status) and np.ndim(solution.status) == 0:
        status = BSDEStatus(int(solution.status))
        if not status.is_success:
            raise SolveError(status, solution)  # pyright: ignore[reportArgumentType]
    return solution
