"""Derivatives of a batch: record and replay in segments that stay in the cache.

A record of every lane's every step would be written to memory and read back, and clearing it costs more than the
steps. So a batch integrates once more when derivatives are asked for. It keeps the loop's state at every `SEGMENT`
iterations and records one segment at a time, from the last to the first when cotangents are pulled back.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ...numerics.loops import vary_like, while_loop
from .forward import start
from .loop import Lanes, empty_rows, is_running, step_lanes, write_row
from .operands import Operands, Settings
from .replay import over_rows, pulled_at_end, pulled_to_start, pushed_at_start, pushed_to_end
from .replay_row import Outputs, pull_row, push_row
from .saving import write

SEGMENT = 128
"""Iterations recorded at a time, at most."""

SEGMENT_BYTES = 1 << 21
"""Size of a segment's record, at most: it should stay in the cache."""


def push_lanes(
    plan: Any, over: Lanes, operands: Operands, settings: Settings, tangents: Operands, axes: Any
) -> Outputs:
    """Tangents of the outputs of every lane; `axes` are those of `tangents`."""
    state, rows, length = _begin(plan, over, operands, settings)
    init = jax.vmap(lambda o, s, d: pushed_at_start(plan, o, s, d), (*over.axes, axes), axis_size=over.size)(
        operands, settings, tangents
    )
    advance = jax.vmap(
        lambda o, s, d, row, carry: push_row(plan, False, o, s, d, row, carry),
        (*over.axes, axes, 0, 0),
        axis_size=over.size,
    )
    step = lambda row, carry: advance(operands, settings, tangents, row, carry)

    def body(looped):
        state, rows, carry = looped
        count, state, rows = _segment(plan, over, operands, settings, state, rows, length)
        return state, rows, over_rows(step, carry, rows, count, False, (operands, settings, tangents))

    going = lambda looped: jnp.any(is_running(plan, looped[0]))
    init = vary_like(init, operands, settings, tangents)
    _, _, carry = while_loop(going, body, (state, rows, init), operands, settings, tangents)
    return jax.vmap(pushed_to_end)(carry)


class _Pulling(NamedTuple):
    """Forwards until every lane has ended, then backwards, segment by segment."""

    segment: Any
    is_forward: Any
    state: Any
    starts: Any
    """The loop's state at the beginning of every segment."""
    rows: Any
    carry: Any


def pull_lanes(
    plan: Any,
    over: Lanes,
    operands: Operands,
    settings: Settings,
    counts: tuple,
    cotangents: Outputs,
    axes: Any,
    wanted: Operands | None = None,
) -> Operands:
    """Cotangents of the operands of every lane; `counts` are its accepted steps and saved times.

    `axes` are those of the counts and of the cotangents; `wanted`: see `nothing_yet`.
    """
    state, rows, length = _begin(plan, over, operands, settings)
    number = -(-plan.max_steps // length)
    starts = jax.tree_util.tree_map(lambda leaf: jnp.zeros((number, *leaf.shape), leaf.dtype), state)
    at_end = lambda o, s, n, ct: pulled_at_end(plan, o, s, ct, *n, wanted=wanted)
    init = jax.vmap(at_end, (*over.axes, *axes), axis_size=over.size)(operands, settings, counts, cotangents)
    advance = jax.vmap(
        lambda o, s, ct, row, carry: pull_row(plan, False, o, s, ct, row, carry),
        (*over.axes, axes[1], 0, 0), axis_size=over.size,
    )  # fmt: skip
    step = lambda row, carry: advance(operands, settings, cotangents, row, carry)

    def body(now: _Pulling) -> _Pulling:
        # On the way forward `state` begins the segment; on the way back its beginning is read again.
        keep = jax.tree_util.tree_map(lambda all_, leaf: write(all_, leaf, now.segment), now.starts, now.state)
        count, state, rows = _segment(plan, over, operands, settings, now.state, now.rows, length)
        is_forward = now.is_forward & jnp.any(is_running(plan, state))
        pulled = jnp.where(is_forward, 0, count)
        carry = over_rows(step, now.carry, rows, pulled, True, (operands, settings, cotangents))
        segment = now.segment + jnp.where(is_forward, 1, -1)
        before = jax.tree_util.tree_map(lambda all_: all_[jnp.maximum(segment, 0)], keep)
        state = jax.tree_util.tree_map(lambda a, b: jnp.where(is_forward, a, b), state, before)
        return _Pulling(segment, is_forward, state, keep, rows, carry)

    zero = jnp.zeros((), jnp.int32)
    now = _Pulling(zero, jnp.array(True), state, starts, rows, init)
    now = vary_like(now, operands, settings, cotangents)
    now = while_loop(lambda now: now.segment >= 0, body, now, operands, settings, cotangents)
    finish = jax.vmap(lambda o, s, carry: pulled_to_start(plan, o, s, carry), (*over.axes, 0), axis_size=over.size)
    return finish(operands, settings, now.carry)


def _begin(plan, over, operands, settings):
    """The state before the first step, an empty record of one segment, and its length."""
    state = over.map(plan.bare.traced_once(start), operands, settings)
    one = jax.eval_shape(lambda state: empty_rows(plan, 1, state), state)
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree_util.tree_leaves(one))
    length = max(1, min(SEGMENT, plan.max_steps, SEGMENT_BYTES // size))
    return state, vary_like(empty_rows(plan, length, state), operands, settings, state), length


def record_lanes(plan: Any, over: Lanes, operands: Operands, settings: Settings) -> tuple[Any, Any]:
    """The whole record of a batch, shapes (max_steps, lanes, ...), and how many rows are in use."""
    state = over.map(plan.bare.traced_once(start), operands, settings)
    rows = vary_like(empty_rows(plan, plan.max_steps, state), operands, settings, state)
    count, _, rows = _segment(plan, over, operands, settings, state, rows, plan.max_steps)
    return rows, count


def _segment(plan, over, operands, settings, state, rows, length):
    """Record up to `length` iterations."""

    def going(looped):
        count, state, _ = looped
        return (count < length) & jnp.any(is_running(plan, state))

    def body(looped):
        count, state, rows = looped
        state, row = step_lanes(plan.bare, over, operands, settings, state, is_running(plan, state))
        return count + 1, state, write_row(rows, row, count)

    return while_loop(going, body, (jnp.zeros((), jnp.int32), state, rows), operands, settings)
