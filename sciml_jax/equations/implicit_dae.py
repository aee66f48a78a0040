"""Fully implicit differential-algebraic equations: `F(t, y, dy/dt, args) = 0`."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

from ..core.callables import as_callable
from ..core.checks import check_interval
from .second_order import matched_pair


class ImplicitDAEProblem(eqx.Module):
    """An initial value problem in fully implicit form, `F(t, y, y', args) = 0` with `y(t0) = y0`, `y'(t0) = yp0`.

    Equations that cannot be solved for `y'`, or that nobody wants to solve: `dF/dy'` may be singular, which makes some
    of them algebraic. The index must be at most one: `dF/dy + s dF/dy'` regular for large s, and no hidden constraints.
    `sj.BDF()` solves it and is the default method; it replaces `y'` by a difference quotient, so that every step is one
    nonlinear system of n equations.

    For `M y' = f` with a constant `M`, `ODEProblem(..., mass_matrix=M)` is cheaper and open to more methods; for
    `y' = f`, `0 = g`, `sj.DAEProblem` also computes consistent initial values.

    Parameters
    ----------
    residual
        `F(t, y, yp, args)`: `t` a scalar; `y`, `yp` and the result pytrees of the same structure, shapes and dtypes. A
        function, an Equinox module or a `jax.tree_util.Partial`; it may close over traced values.
    y0, yp0
        Initial state and slope: pytrees of float arrays with equal structure, shapes and dtypes (Python numbers take
        the dtype of their partner). They must satisfy the equations; see below.
    t0, t1
        The ends of the interval, real scalars; `t1 < t0` integrates backwards.
    args
        Any pytree, handed to the residual.

    Raises
    ------
    TypeError, ValueError
        For states and slopes that do not match, integer states, `t0 == t1`, values that are not finite, or a residual
        that is not callable with four arguments.

    Notes
    -----
    A solve whose `(y0, yp0)` is inconsistent ends with `Status.INCONSISTENT` before the first step: when, in some row,
    `|F|` exceeds what moving y0 by ten tolerances and yp0 by ten rtol of itself could change. The slope starts the
    method and its error control; beyond the first steps the solution follows y0. Derivatives with respect to y0, yp0,
    args and the times are included, those of y0 along the manifold of consistent states: move yp0 with it.

    A frozen pytree: it can be an argument of `jit`, `vmap` and `grad`, and be changed with `equinox.tree_at`.

    References
    ----------
    Brenan, Campbell & Petzold, Numerical Solution of Initial-Value Problems in Differential-Algebraic Equations (1996).
    """

    vector_field: Callable
    y0: PyTree
    t0: Any
    t1: Any
    args: PyTree
    mass_matrix: Any = None
    jacobian: Any = None
    sparsity: Any = None

    def __init__(self, residual: Callable, y0: PyTree, yp0: PyTree, t0: Any, t1: Any, args: PyTree = None):
        residual = as_callable(residual, "residual", "t", "y", "yp", "args")
        check_interval(t0, t1)
        self.y0, yp0 = matched_pair(y0, yp0, ("y0", "yp0"))
        self.vector_field = KnownSlope(residual, yp0)
        # Times are operands of the compiled program; Python integers would be part of it.
        self.t0 = float(t0) if isinstance(t0, int) else t0
        self.t1 = float(t1) if isinstance(t1, int) else t1
        self.args = args

    @property
    def residual(self) -> Callable:
        """The residual `F(t, y, yp, args)`."""
        return self.vector_field.residual

    @property
    def yp0(self) -> PyTree:
        """The slope at t0."""
        return self.vector_field.yp0

    def default_method(self) -> Any:
        """The method behind `method=None`: `BDF`."""
        # Methods name the problems that they solve, so they import this module.
        from .methods.bdf import BDF

        return BDF()


class KnownSlope(eqx.Module):
    """What a fully implicit problem has for a vector field: the slope where it starts, whatever the arguments."""

    residual: Callable
    yp0: PyTree

    def __call__(self, t: Any, y: PyTree, args: PyTree) -> PyTree:
        """The slope at the start."""
        del t, args
        return jax.tree_util.tree_map(lambda slope, leaf: slope.astype(leaf.dtype), self.yp0, y)
