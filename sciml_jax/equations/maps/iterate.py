"""Iterating a map."""

import functools
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import lax

from ...core.callables import captured_values, closes_over_tracer
from ...core.method import AbstractMethod
from ...core.status import Status
from ...core.tree import Static, combine, describe, partition
from ...numerics.loops import vary_like, while_loop
from ..options import raise_on_failure
from ..saveat import as_saveat
from ..solution import Solution, Stats
from .indices import as_indices, check_saveat
from .problem import MapProblem

WHOLE = 256
"""Iterations up to which reverse mode keeps every state; beyond, segments of the square root of their number."""


class Iterate(AbstractMethod):
    """Apply the map again and again.

    Exact but for rounding. With a Python integer as `num_steps` the derivatives are those of the iteration, forward and
    reverse; reverse mode keeps the states at about `sqrt(num_steps)` places and computes every step twice beyond 256
    steps. With an array as `num_steps` there is forward mode only.

    Saved are states by their index: `saveat=jnp.array([0, 10, 100])`, `sj.SaveAt(steps=k)` for every k-th one. `sol.ts`
    are integers. A float state that is NaN or infinite at the end gives `Status.NON_FINITE` and an `y1` of NaN; what
    was saved stays.

    Not for maps that stop by themselves: use `jax.lax.while_loop`.
    """

    problem_types: ClassVar = (MapProblem,)

    def solve(self, problem: MapProblem, *, saveat: Any = None, key: Any = None, on_failure: str = "raise") -> Solution:
        """Iterate; see `sj.solve` for the options. `key` is not used: a random map takes its keys from `args`."""
        del key
        saveat = as_saveat(saveat)
        check_saveat(saveat, problem.num_steps)
        if on_failure not in ("raise", "status"):
            msg = f"`on_failure` must be 'raise' or 'status'; got {on_failure!r}. With 'status', look at `sol.status`."
            raise ValueError(msg)
        dynamic, static = partition((problem, saveat))
        functions = (problem.step,) if saveat.fn is None else (problem.step, saveat.fn)
        config = Static((static, captured_values(*functions)))
        run = functools.partial(_run, config)
        solution = jax.jit(run)(dynamic) if closes_over_tracer(*functions) else _compiled(config, dynamic)
        if on_failure == "raise":
            raise_on_failure(solution)
        return solution


def _run(config: Static, dynamic: Any) -> Solution:
    dynamic = vary_like(dynamic, dynamic)
    problem, saveat = combine(dynamic, config.tree[0])
    number, y0, args = problem.num_steps, problem.y0, problem.args
    check_step(jax.eval_shape(problem.step, jnp.zeros((), int), y0, args), y0)

    def step(index, y):
        new = problem.step(index, y, args)
        return vary_like(jax.tree_util.tree_map(lambda a, b: jnp.asarray(a, b.dtype), new, y), dynamic)

    bad, times, parts = jnp.array(False), [], []
    single = lambda y: jax.tree_util.tree_map(lambda leaf: leaf[None], y)
    if saveat.t0:
        times.append(jnp.zeros(1, int))
        parts.append(single(y0))
    if saveat.steps is not None:
        y, rows = _every(step, y0, number, saveat.steps)
        times.append(jnp.arange(1, number // saveat.steps + 1) * saveat.steps)
        parts.append(rows)
    elif saveat.ts is not None:
        indices, bad = as_indices(saveat.ts, number)
        times.append(indices)
        y, rows = _at(step, y0, number, indices)
        parts.append(rows)
    else:
        y = _repeat(step, y0, number)
    last = jnp.asarray(number, int)
    if saveat.t1:
        times.append(last[None])
        parts.append(single(y))
    ts = jnp.concatenate(times)
    ys = jax.tree_util.tree_map(lambda *leaves: jnp.concatenate(leaves), *parts)
    if saveat.fn is not None:
        ys = jax.vmap(lambda t, y: saveat.fn(t, y, args))(ts, ys)
    return _solution(ts, ys, y, last, bad | (last < 0))


_compiled = jax.jit(_run, static_argnums=0)


def _repeat(step: Any, y: Any, count: Any, first: Any = 0) -> Any:
    """The state after `count` steps; with a known count in segments, so that reverse mode keeps few states."""
    if not isinstance(count, int):
        index = jnp.asarray(first, int)
        body = lambda carry: (carry[0] + 1, step(*carry))
        return while_loop(lambda carry: carry[0] < first + count, body, (index, y), count, y)[1]
    if count <= WHOLE:
        return _scan(step, y, count, first)
    length = math.isqrt(count)
    segment = jax.checkpoint(lambda y, start: _scan(step, y, length, start))
    starts = first + length * jnp.arange(count // length)
    y, _ = lax.scan(lambda y, start: (segment(y, start), None), y, starts)
    return _scan(step, y, count % length, first + count - count % length)


def _scan(step, y, length, first):
    """A short run, every state kept for reverse mode."""
    return lax.scan(lambda y, index: (step(index, y), None), y, first + jnp.arange(length))[0]


def _every(step: Any, y: Any, number: int, every: int) -> tuple[Any, Any]:
    """The state at the end and after every so many steps."""

    @jax.checkpoint
    def stretch(y, start):
        return _repeat(step, y, every, start)

    def body(y, start):
        y = stretch(y, start) if every > 1 else step(start, y)
        return y, y

    y, rows = lax.scan(body, y, every * jnp.arange(number // every))
    return _repeat(step, y, number % every, number - number % every), rows


def _at(step: Any, y: Any, number: Any, indices: Any) -> tuple[Any, Any]:
    """The state at the end and at given indices, which are sorted and may repeat."""
    count = indices.shape[0]
    rows = jax.tree_util.tree_map(lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), y)
    # Only the first of equal indices is written, the others are copied at the end.
    first = jnp.searchsorted(indices, indices, side="left")
    following = jnp.searchsorted(indices, indices, side="right")

    def advance(index, carry):
        y, rows, cursor = carry
        y, place = step(index, y), jnp.minimum(cursor, count - 1)
        hit = (indices[place] == index + 1) & (cursor < count)
        put = lambda r, leaf: lax.dynamic_update_index_in_dim(r, jnp.where(hit, leaf, r[place]), place, 0)
        return y, jax.tree_util.tree_map(put, rows, y), jnp.where(hit, following[place], cursor)

    start = (y, rows, jnp.sum(indices <= 0))
    y, rows, _ = _repeat(advance, vary_like(start, start, indices), number)
    return y, jax.tree_util.tree_map(lambda r: r[first], rows)


def check_step(out: Any, y0: Any) -> None:
    """Refuse a map whose result is not like the state."""
    same = jax.tree_util.tree_structure(out) == jax.tree_util.tree_structure(y0)
    pairs = list(zip(jax.tree_util.tree_leaves(out), jax.tree_util.tree_leaves(y0), strict=False))
    if not same or any(a.shape != b.shape for a, b in pairs):
        msg = (
            f"`step(t, y, args)` must return a state like `y`; got {describe(out)} for a state of {describe(y0)}. "
            "Return every number, changed or not."
        )
        raise ValueError(msg)
    for a, b in pairs:
        if jnp.promote_types(a.dtype, b.dtype) != b.dtype:
            msg = (
                f"`step(t, y, args)` must return the dtype of the state, {b.dtype}; got {a.dtype}. Convert `y0` to "
                f"{jnp.promote_types(a.dtype, b.dtype)}, or the result to {b.dtype}."
            )
            raise TypeError(msg)


def _solution(ts: Any, ys: Any, y: Any, last: Any, bad: Any) -> Solution:
    finite = jnp.array(True)
    for leaf in jax.tree_util.tree_leaves(y):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            finite = finite & jnp.all(jnp.isfinite(leaf))
    status = jnp.where(finite, jnp.int32(Status.SUCCESS), jnp.int32(Status.NON_FINITE))
    status = jnp.where(bad, jnp.int32(Status.BAD_INPUT), status)
    blank = lambda leaf: jnp.where(bad | ~finite, jnp.nan, leaf) if jnp.issubdtype(leaf.dtype, jnp.inexact) else leaf
    number = last.astype(jnp.int32)
    zero, nan = jnp.zeros_like(number), jnp.asarray(jnp.nan, float)
    stats = Stats(number, number, zero, number, zero, zero, zero, last.astype(float), nan)
    return Solution(ts=ts, ys=ys, y1=jax.tree_util.tree_map(blank, y), status=status, stats=stats)
