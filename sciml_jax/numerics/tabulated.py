"""Functions of time given by a table: measured forcing, dosing schedules, weather."""

import functools
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, PyTree

from ..core.callables import Function, held_values
from ..core.checks import check_instance
from ..core.tree import describe, is_concrete
from .interpolation_kinds import AbstractInterpolation, PiecewiseLinear
from .search import count_passed


class Interpolant(eqx.Module):
    """A function of time through tabulated values; `sj.interpolate` makes it.

    Call it with a time, shape (), or with an array of times; the result has the values' structure, the time's axes in
    front. Cost of one call: `log2(T) + 1` comparisons and the arithmetic of one interval.

    Notes
    -----
    A pytree whose leaves follow from the table. To differentiate with respect to the table, differentiate through
    `sj.interpolate(ts, values)`; the gradient with respect to an interpolant's own leaves treats values and slopes as
    independent of each other.
    """

    knots: Array
    """The times of the table, shape (T,)."""
    values: PyTree
    """Leaves (T, ...)."""
    slopes: PyTree
    """Derivatives at the knots, like `values`, for kinds that use them."""
    outside: Any
    kind: AbstractInterpolation
    tstops: bool = eqx.field(static=True)
    """Whether solves step on the knots."""

    def __call__(self, t: Any) -> PyTree:
        """The values at a time or an array of times."""
        return _evaluate(self, t)

    def derivative(self, t: Any) -> PyTree:
        """The time derivative at a time or an array of times: from the right at a knot, from the left at the last.

        Zero before and after the table.
        """
        return _differentiate(self, t)

    def _at(self, t: Any) -> PyTree:
        last = self.knots.shape[0] - 1
        left = jnp.clip(count_passed(self.knots, t) - 1, 0, last - 1)
        # Both ends at once: in reverse mode every read becomes an update of the whole table.
        pair_of = lambda table: tuple(lax.dynamic_slice_in_dim(table, left, 2))
        start, end = pair_of(self.knots)
        h = end - start
        fraction = (t - start) / h
        before, after = t < self.knots[0], t > self.knots[last]

        def one(values, slopes):
            steep = None if slopes is None else pair_of(slopes)
            inside = self.kind.between(h, fraction, t == self.knots[last], pair_of(values), steep)
            held = (values[0], values[last]) if self.outside is None else (self.outside, self.outside)
            low, high = (jnp.asarray(value, inside.dtype) for value in held)
            return jnp.where(before, low, jnp.where(after, high, inside))

        leaves, treedef = jax.tree_util.tree_flatten(self.values)
        slopes = [None] * len(leaves) if self.slopes is None else treedef.flatten_up_to(self.slopes)
        return treedef.unflatten([one(*pair) for pair in zip(leaves, slopes, strict=True)])


# Compiled for eager use; `inline` leaves no call in a vector field that is traced.
@functools.partial(jax.jit, inline=True)
def _evaluate(interpolant: Interpolant, t: Any) -> PyTree:
    t = jnp.asarray(t)
    evaluate = interpolant._at
    for _ in range(t.ndim):
        evaluate = jax.vmap(evaluate)
    return evaluate(t)


@functools.partial(jax.jit, inline=True)
def _differentiate(interpolant: Interpolant, t: Any) -> PyTree:
    t = jnp.asarray(t)
    t = t.astype(float) if jnp.issubdtype(t.dtype, jnp.integer) else t
    return jax.jvp(lambda t: _evaluate(interpolant, t), (t,), (jnp.ones_like(t),))[1]


def interpolate(
    ts: Any,
    values: PyTree,
    kind: AbstractInterpolation | None = None,
    *,
    outside: Any = None,
    tstops: bool = True,
) -> Interpolant:
    """A function of time through tabulated values.

    Parameters
    ----------
    ts
        The times of the table, shape (T,), strictly increasing, T >= 2.
    values
        The values there: an array of shape (T, ...) or a pytree of such arrays, float or complex.
    kind
        `sj.PiecewiseLinear()` (default), `sj.PiecewiseConstant()`, `sj.CubicSpline()` or `sj.Pchip()`.
    outside
        What it is before the first and after the last time: None holds the first and the last value; a number replaces
        them. With `outside=float("nan")` a solve that leaves the table fails.
    tstops
        Whether `sj.solve` steps on the knots within the interval, where the function is not smooth. It then keeps its
        order and rejects few steps, at the price of at least one step per knot, which `max_steps` must allow. False
        is better for dense or noisy tables at loose tolerance.

    Returns
    -------
    Interpolant
        `forcing(t)`, `forcing.derivative(t)`, `forcing.knots`. Differentiable in `t`, `ts` and `values`.

    Raises
    ------
    ValueError
        For times that are not sorted, not finite, not a vector or fewer than two; values of another length, or that are
        not finite.
    TypeError
        For a `kind` that is not an instance, or complex values with `Pchip`.

    Notes
    -----
    `solve` finds interpolants in `args`, in a vector field that is a module, and among what a plain function reads from
    its closure or its globals (also inside dicts, lists and modules there); it looks into functions that the vector
    field names, not into attributes of other objects. Elsewhere pass `sj.PIDController(tstops=forcing.knots)`.
    Where values of `ts` are traced, times that are not increasing make the solve fail with a status.

    References
    ----------
    Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I (1993), II.6, on integrating over kinks.
    """
    kind = PiecewiseLinear() if kind is None else kind
    check_instance(kind, AbstractInterpolation, "kind", "sj.PiecewiseLinear()")
    ts = _checked_times(ts)
    if isinstance(values, (list, tuple)) and values and all(np.ndim(entry) == 0 for entry in values):
        values = jnp.asarray(values)  # a list of numbers is a column, not a pytree of scalars
    values = jax.tree_util.tree_map(lambda leaf: _checked_values(leaf, ts, kind), values)
    if not jax.tree_util.tree_leaves(values):
        msg = f"`values` must hold at least one array; got {values!r}. Pass one of shape ({ts.shape[0]}, ...)."
        raise ValueError(msg)
    slopes = jax.tree_util.tree_map(lambda leaf: kind.slopes(ts, leaf), values)
    missing = not jax.tree_util.tree_leaves(slopes)
    return Interpolant(ts, values, None if missing else slopes, outside, kind, bool(tstops))


def interpolants(*holders: Any) -> Iterator[Interpolant]:
    """Every interpolant in some pytrees, and in what the plain functions among their nodes read from outside."""
    seen: dict[int, Any] = {}  # holds what it has seen: the identity of a freed object may come again
    # Dicts are opened here: keys that cannot be sorted, as in the globals of a library's function, are no pytree.
    is_end = lambda node: isinstance(node, (Interpolant, Function, functools.partial, dict))
    stack = list(holders)
    while stack:
        for node in jax.tree_util.tree_leaves(stack.pop(), is_leaf=is_end):
            if id(node) in seen:
                continue
            seen[id(node)] = node
            if isinstance(node, Interpolant):
                yield node
            elif isinstance(node, dict):
                stack += list(node.values())
            elif isinstance(node, functools.partial):  # jax.tree_util.Partial too
                stack += [Function(node.func), node.args, node.keywords]
            elif isinstance(node, Function):
                stack += [value for value in held_values(node) if not isinstance(value, type)]


def _checked_times(ts: Any) -> Any:
    ts = jnp.asarray(ts)
    real = jnp.issubdtype(ts.dtype, jnp.floating) or jnp.issubdtype(ts.dtype, jnp.integer)
    if ts.ndim != 1 or not real or ts.shape[0] < 2:
        msg = (
            f"`ts` must be a one-dimensional array of at least two times; got {describe(ts)}. "
            "Pass, for example, `jnp.linspace(0.0, 1.0, 11)`."
        )
        raise ValueError(msg)
    ts = ts.astype(float) if jnp.issubdtype(ts.dtype, jnp.integer) else ts
    if not is_concrete(ts):
        return jnp.where(jnp.all(jnp.diff(ts) > 0), ts, jnp.nan)
    concrete = np.asarray(ts)
    if not np.all(np.isfinite(concrete)):
        msg = f"`ts` must be finite; got {int(np.sum(~np.isfinite(concrete)))} times that are not. Drop those rows."
        raise ValueError(msg)
    if np.any(np.diff(concrete) <= 0):
        row = int(np.argmax(np.diff(concrete) <= 0))
        msg = (
            f"`ts` must increase strictly; got ts[{row}] = {concrete[row]:g} and ts[{row + 1}] = "
            f"{concrete[row + 1]:g}. Sort the table, and keep one row per time."
        )
        raise ValueError(msg)
    return ts


def _checked_values(leaf: Any, ts: Any, kind: Any) -> Any:
    leaf = jnp.asarray(leaf)
    if leaf.ndim == 0 or leaf.shape[0] != ts.shape[0]:
        msg = (
            f"`values` must have one row for each of the {ts.shape[0]} times; got {describe(leaf)}. "
            "Put the time axis first."
        )
        raise ValueError(msg)
    if jnp.issubdtype(leaf.dtype, jnp.integer) or leaf.dtype == bool:
        leaf = leaf.astype(float)
    if jnp.issubdtype(leaf.dtype, jnp.complexfloating) and type(kind).__name__ == "Pchip":
        msg = f"`sj.Pchip()` orders values, so they must be real; got {describe(leaf)}. Interpolate both parts apart."
        raise TypeError(msg)
    if is_concrete(leaf) and not np.all(np.isfinite(np.asarray(leaf))):
        bad = int(np.sum(~np.isfinite(np.asarray(leaf))))
        msg = f"`values` must be finite; got {bad} of {leaf.size} that are not. Drop those rows, or fill the gaps."
        raise ValueError(msg)
    return leaf
