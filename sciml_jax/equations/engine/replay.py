"""Derivatives by replaying the recorded steps with their sizes held fixed.

The derivative of the discrete solution: `y_(n+1) = Phi(t_n, t_(n+1), y_n, theta)` with the times frozen, except that
the first step begins at `t0` and the last one ends at `t1`. Tangents are pushed forward, cotangents pulled back, by
loops over the recorded rows that recompute each step; only the states are stored. What one row does is in
`replay_row.py`; here are the loops over a record, and in `replay_lanes.py` those of a batch.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ...numerics.loops import while_loop
from ...numerics.one_kernel import computed_once
from .operands import Operands, Settings
from .record import Record
from .replay_row import Outputs, Pulled, Pushed, pull_row, push_row
from .wanted import add, nothing_yet, zeros_for_others


def push_forward(plan: Any, operands: Operands, settings: Settings, record: Record, tangents: Operands) -> Outputs:
    """Tangents of the outputs from tangents of the operands."""
    step = lambda row, carry: push_row(plan, True, operands, settings, tangents, row, carry)
    init = pushed_at_start(plan, operands, settings, tangents, record)
    return pushed_to_end(over_rows(step, init, record.rows, record.num_rows, False, (operands, settings, tangents)))


def pull_back(
    plan: Any,
    operands: Operands,
    settings: Settings,
    record: Record,
    cotangents: Outputs,
    wanted: Operands | None = None,
) -> Operands:
    """Cotangents of the operands from cotangents of the outputs; zeros for those that are not `wanted`."""
    step = lambda row, carry: pull_row(plan, True, operands, settings, cotangents, row, carry)
    counts = record.num_accepted, record.num_saved, record.num_events
    init = pulled_at_end(plan, operands, settings, cotangents, *counts, record, wanted)
    final = over_rows(step, init, record.rows, record.num_rows, True, (operands, settings, cotangents))
    return pulled_to_start(plan, operands, settings, final)


def pushed_at_start(
    plan: Any, operands: Operands, settings: Settings, tangents: Operands, record: Record | None = None
) -> Pushed:
    """Tangents before the first step; with delays the record is needed."""
    buffers = jax.tree_util.tree_map(jnp.zeros_like, plan.empty_outputs(operands, settings))
    dmemory = None
    if plan.has_memory:
        begin = lambda t0, y0, theta: plan.method.begin(plan.bind(theta, settings), t0, y0)
        point, moves = (operands.t0, operands.y0, operands.theta), (tangents.t0, tangents.y0, tangents.theta)
        dmemory = jax.jvp(begin, point, moves)[1]
    zero, events, counts = jnp.int32(0), None, None
    if plan.has_events:
        events, counts = buffers.events._replace(t=tangents.t0), jnp.zeros(plan.system.events.number, jnp.int32)
    pushed = Pushed(tangents.y0, dmemory, zero, zero, buffers.saved, buffers.stepped, buffers.pieces, events, counts)
    if plan.delays is None:
        return pushed
    return pushed._replace(delays=plan.delays.replayed(record, operands.t0, tangents.t0, (operands, tangents)))


def pushed_to_end(carry: Pushed) -> Outputs:
    """Tangents of the outputs after the last step."""
    return Outputs(carry.dy, carry.saved, carry.stepped, carry.pieces, carry.events)


def pulled_at_end(
    plan: Any,
    operands: Operands,
    settings: Settings,
    cotangents: Outputs,
    num_accepted: Any,
    num_saved: Any,
    num_events: Any = None,
    record: Record | None = None,
    wanted: Operands | None = None,
) -> Pulled:
    """Cotangents after the last step; with delays the record is needed. `wanted`: see `nothing_yet`."""
    ct_memory = None
    if plan.has_memory:
        begin = lambda: plan.method.begin(plan.bind(operands.theta, settings), operands.t0, operands.y0)
        ct_memory = jax.tree_util.tree_map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(begin))
    zeros = nothing_yet(operands, wanted)
    ct_t, counts = None, None
    if plan.has_events:
        ct_t, counts = cotangents.events.t, num_events.astype(jnp.int32)
    accepted, cursor = num_accepted.astype(jnp.int32), num_saved.astype(jnp.int32)
    pulled = Pulled(cotangents.y, ct_memory, accepted, cursor, zeros, ct_t, counts)
    if plan.delays is None:
        return pulled
    varying = operands, cotangents
    return pulled._replace(delays=plan.delays.replayed(record, operands.t0, jnp.zeros_like(operands.t0), varying))


def pulled_to_start(plan: Any, operands: Operands, settings: Settings, carry: Pulled) -> Operands:
    """Cotangents of the operands before the first step."""
    total = zeros_for_others(carry.total._replace(y0=carry.ct_y), operands)
    if plan.has_events:
        total = total._replace(t0=total.t0 + carry.ct_t)
    if plan.delays is not None:
        total = total._replace(t0=total.t0 + carry.delays.starts[0])
    if not plan.has_memory:
        return total
    begin = lambda t0, y0, theta: plan.method.begin(plan.bind(theta, settings), t0, y0)
    _, pull = jax.vjp(begin, operands.t0, operands.y0, operands.theta)
    ct_t0, ct_y0, ct_theta = pull(carry.ct_memory)
    return total._replace(t0=total.t0 + ct_t0, y0=add(total.y0, ct_y0), theta=add(total.theta, ct_theta))


def over_rows(step: Any, init: Any, rows: Any, count: Any, reverse: bool, operands: Any) -> Any:
    """Apply `step(row, carry)` to the first `count` rows, forwards or backwards."""
    count = count.astype(jnp.int32)

    def body(indexed):
        index, carry = indexed
        position = count - 1 - index if reverse else index
        # XLA would otherwise read the row anew, with its position, in every operation that uses a part of it.
        row = computed_once(jax.tree_util.tree_map(lambda buffer: _at(buffer, position), rows))
        return index + 1, step(row, carry)

    _, final = while_loop(lambda indexed: indexed[0] < count, body, (jnp.int32(0), init), operands, rows, init)
    return final


def _at(buffer, position):
    return lax.dynamic_index_in_dim(buffer, position, keepdims=False, allow_negative_indices=False)
