"""A recorded integration with delays as plain JAX: a scan over all rows, for derivatives of higher order."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ...numerics.loops import vary_like
from ..engine.event_row import passed_step
from ..engine.replay_row import Outputs, observed
from ..engine.saving import sample
from ..engine.unrolled import like, log_of_rows, moving_times, with_seen
from .history import as_row, put_differentiably, row_at
from .past import Piece
from .replay import context_at, deciding_lag

PICARD = 25
"""Iterations of a step on its own dense output."""


class _Carry(NamedTuple):
    y: tuple
    memory: Any
    pieces: Piece
    starts: Any


def unrolled_delayed(plan: Any, operands: Any, settings: Any, record: Any) -> Outputs:
    """The outputs recomputed from `operands` on the recorded times.

    Costs `max_steps` iterations, and in reverse mode the memory of `max_steps` times all dense outputs.
    """
    length = plan.max_steps
    number = jnp.arange(length, dtype=jnp.int32)
    rows = jax.tree_util.tree_map(lambda leaf: leaf[:length], record.rows)
    active = number < record.num_rows
    ta, tb = moving_times(operands, rows, active)
    memory = None
    if plan.has_memory:
        memory = plan.method.begin(plan.bind(operands.theta, settings), operands.t0, operands.y0)
    starts = jnp.zeros(record.pieces.ta.shape[0], ta.dtype).at[0].set(operands.t0)
    # What is not read yet is never read with a derivative.
    carry = _Carry(operands.y0, memory, lax.stop_gradient(record.pieces), starts)
    carry = vary_like(carry, operands, settings, record)

    @jax.checkpoint
    def advance(carry, scanned):
        index, row, tb, active = scanned
        passed = _passed(plan, operands, settings, record, row, index, tb, active, carry)
        slots = (jnp.where(active, index, starts.shape[0] - 1),) * 2
        slots = slots[0], jnp.where(active, index + 1, starts.shape[0] - 1)
        written = put_differentiably((carry.pieces, carry.starts), (as_row(passed.dense), passed.tb[None]), slots)
        keep = lambda new, old: jax.tree_util.tree_map(lambda a, b: jnp.where(active, a, b), new, old)
        y, memory = keep((passed.y, passed.memory), (carry.y, carry.memory))
        return _Carry(y, memory, *written), (carry.starts[index], passed.tb, passed.y, passed.dense, passed.seen)

    end, (begins, ends, y1, dense, seen) = lax.scan(advance, carry, (number, rows, tb, active))
    return _outputs(plan, operands, settings, record, rows, active, end, (begins, ends, y1, dense, seen))


def _outputs(plan, operands, settings, record, rows, active, end, found) -> Outputs:
    begins, ends, y1, dense, seen = found
    outputs = plan.empty_outputs(operands, settings)
    saved, stepped, pieces, events = outputs.saved, outputs.stepped, outputs.pieces, outputs.events
    length = plan.max_steps
    if plan.has_events:
        happens = (rows.events.happens > 0) & active[:, None]
        logs = tuple(log_of_rows(log, happens[:, i], ends, v) for i, log, v in with_seen(events.logs, seen))
        events = events._replace(t=end.starts[record.num_rows.astype(jnp.int32)], logs=logs)
    if plan.num_save:

        def at(time, index):
            reached = jnp.where(active, lax.stop_gradient(ends), -jnp.inf) >= lax.stop_gradient(time)
            row = jnp.argmax(reached)
            a, b, y, piece = jax.tree_util.tree_map(lambda leaf: leaf[row], (begins, ends, y1, dense))
            value = sample(plan, plan.bind(operands.theta, settings), time, a, b, y, piece)
            return tuple(jnp.where(index < record.num_saved, leaf, jnp.nan) for leaf in value)

        saved = jax.vmap(at)(operands.save_ts, jnp.arange(plan.num_save, dtype=record.num_saved.dtype))
    if plan.dense:
        pieces = jax.tree_util.tree_map(lambda new, old: jnp.where(like(active, new), new, old), dense, pieces)
        if plan.has_events:
            both = jnp.stack([begins, ends], axis=1)
            events = events._replace(ends=jnp.where(active[:, None], both, events.ends))
    if plan.save_every is not None:
        chosen = jnp.arange(plan.save_every - 1, length, plan.save_every)[: length // plan.save_every]
        at_end = jax.tree_util.tree_map(lambda leaf: leaf[chosen], (ends, y1))
        values = jax.vmap(lambda tb, y1: observed(plan, settings, operands.theta, tb, y1))(*at_end)
        keep = lambda v, old: jnp.where(like(active[chosen], v), v, old)
        stepped = tuple(keep(v, old) for v, old in zip(values, stepped, strict=True))
    return Outputs(end.y, saved, stepped, pieces, events)


def _passed(plan, operands, settings, record, row, index, tb, active, carry):
    """One step, recomputed; its end moves with the breaking point that it ends on."""
    ta = jnp.where(active, carry.starts[index], row.ta)
    tb = jnp.where(active, tb, row.ta + 1)
    own = row_at(lax.stop_gradient(record.pieces), index)
    is_own = jnp.array(False)
    for flag in row.delays.is_own:
        is_own = is_own | (flag > 0)

    def step(tb, own):
        context = context_at(plan, operands, row, carry.pieces, own, ta, carry.y)
        point = ta, tb, carry.y, carry.memory, plan.system.filled(operands.theta, context)
        return passed_step(plan, operands, settings, row, point)

    def at(tb):
        once = lambda own: step(tb, own)

        def many(own):
            return step(tb, lax.fori_loop(0, PICARD, lambda _, own: step(tb, own).dense, own))

        return lax.cond(is_own, many, once, own)

    lag, is_caused = deciding_lag(plan, settings, row)
    is_caused = is_caused & active
    parent = carry.starts[row.delays.parent.astype(jnp.int32)]
    frozen = lax.stop_gradient(tb)
    if all(plan.delays.is_constant):
        due = parent + lag(operands.theta, frozen, carry.y)
        return at(jnp.where(is_caused, frozen + (due - lax.stop_gradient(due)), tb))
    moved = tb
    # Newton's method from where the root is: each step makes derivatives of one more order exact.
    for _ in range(2):
        miss = lambda tb: tb - lag(operands.theta, tb, at(tb).y) - parent
        value, slope = jax.jvp(miss, (moved,), (jnp.ones_like(moved),))
        change = value / jnp.where(is_caused, slope, 1.0)
        moved = jnp.where(is_caused, moved - (change - lax.stop_gradient(change)), moved)
    return at(moved)
