"""Boundary value problems for ordinary differential equations."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import PyTree

from ...core.callables import as_callable
from ...core.checks import check_interval
from .guess import as_guess


class BVProblem(eqx.Module):
    """Find `y` with `dy/dt = f(t, y, args)` between `t0` and `t1` and `g(y(t0), y(t1), args) = 0`.

    Parameters
    ----------
    vector_field
        `f(t, y, args) -> dy/dt` as for `ODEProblem`.
    boundary
        `g(y_start, y_end, args) -> residuals`: any pytree of real numbers, as many together as the state has. A
        function, an Equinox module or a `jax.tree_util.Partial`; like the vector field it may close over traced values.
    y_guess
        Where the search starts, and the structure of the state: a state (any pytree of float arrays; a constant guess),
        a function `t -> state` (an earlier `Solution` with dense output is one), or a pair `(ts, ys)` of times, shape
        (T,), and states, leaves (T, ...), which are interpolated. A plain tuple of two is always such a pair.
    t0, t1
        The ends of the interval, real scalars; `t1 < t0` is allowed.
    args
        Any pytree, handed to both functions.

    Raises
    ------
    TypeError, ValueError
        For states that are not real floats or not finite, tables whose lengths differ, `t0 == t1`, or functions that
        are not callable. The number of conditions is checked when solving.

    Notes
    -----
    Boundary value problems may have no solution, or several: which one is found depends on the guess. Where none is
    found, solve an easier problem first and pass `(sol.ts, sol.ys)` on as the guess (continuation).

    Unknown parameters and eigenvalues are further states with derivative zero, each with a condition of its own.

    A frozen pytree: it can be an argument of `jit`, `vmap` and `grad`.

    Examples
    --------
    Bratu's problem, `u'' = -exp(u)`, `u(0) = u(1) = 0`:

    >>> def bratu(t, y, strength):
    ...     return jnp.stack([y[1], -strength * jnp.exp(y[0])])
    >>> def ends(start, end, strength):
    ...     return jnp.stack([start[0], end[0]])
    >>> sol = sj.solve(sj.BVProblem(bratu, ends, jnp.zeros(2), 0.0, 1.0, 1.0), saveat=jnp.linspace(0, 1, 11))

    The eigenvalue of `u'' = -w u` with the scale `u'(0) = 1`, as a third state:

    >>> def string(t, y, args):
    ...     return jnp.stack([y[1], -y[2] * y[0], 0.0 * y[2]])
    >>> def fixed(start, end, args):
    ...     return jnp.stack([start[0], end[0], start[1] - 1.0])
    >>> guess = lambda t: jnp.stack([t * (1 - t), 1 - 2 * t, 8.0 + 0 * t])
    >>> sj.solve(sj.BVProblem(string, fixed, guess, 0.0, 1.0)).y1[2]  # pi^2
    """

    vector_field: Callable
    boundary: Callable
    y_guess: Callable
    """The guess as a function of time, whatever form it was given in."""
    t0: Any
    t1: Any
    args: PyTree

    def __init__(self, vector_field: Callable, boundary: Callable, y_guess: Any, t0: Any, t1: Any, args: PyTree = None):
        check_interval(t0, t1)
        self.vector_field = as_callable(vector_field, "vector_field", "t", "y", "args")
        self.boundary = as_callable(boundary, "boundary", "y_start", "y_end", "args")
        # Times are operands of the compiled program; Python integers would be part of it.
        self.t0 = float(t0) if isinstance(t0, int) else t0
        self.t1 = float(t1) if isinstance(t1, int) else t1
        self.y_guess = as_guess(y_guess, self.t0)
        self.args = args

    def default_method(self) -> Any:
        """The method behind `method=None`: `Collocation`, which is not troubled by modes that grow."""
        from .collocation import Collocation

        return Collocation()
