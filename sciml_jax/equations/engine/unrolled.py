"""The replayed integration as plain, fully differentiable JAX: a scan over every row of the record.

Used for second and higher derivatives, and in tests as the twin that the loops must agree with.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ...numerics.loops import vary_like
from .event_row import passed_step
from .forward import Row
from .operands import Operands, Settings
from .record import Record
from .replay_row import Outputs, observed
from .saving import sample


def unrolled_outputs(plan: Any, operands: Operands, settings: Settings, record: Record) -> Outputs:
    """The outputs recomputed from `operands` on the recorded times; costs `max_steps` iterations.

    The states are recomputed from `y0` instead of being read from the record, so that derivatives of any order see
    every dependence.
    """
    if plan.delays is not None:
        return plan.delays.unrolled(plan, operands, settings, record)
    length = plan.max_steps
    used = jnp.arange(length, dtype=record.num_rows.dtype) < record.num_rows
    active = used & (record.rows.ta != record.rows.tb)
    ta, tb = moving_times(operands, record.rows, active)
    rows = _Rows(ta, tb, active, record.rows.ta, record.rows.events)

    @jax.checkpoint
    def advance(carry, row):
        passed = _passed(plan, operands, settings, row, carry)
        new = _Start(passed.tb, passed.y, passed.memory)
        new = jax.tree_util.tree_map(lambda new, old: jnp.where(row.active, new, old), new, carry)
        return new, (carry, passed.tb, passed.seen)

    memory = None
    if plan.has_memory:
        memory = plan.method.begin(plan.bind(operands.theta, settings), operands.t0, operands.y0)
    begin = vary_like(_Start(operands.t0, operands.y0, memory), operands, settings, record)
    end, (starts, ends, seen) = lax.scan(advance, begin, rows)
    outputs = plan.empty_outputs(operands, settings)
    saved, stepped, pieces, events = outputs.saved, outputs.stepped, outputs.pieces, outputs.events
    if plan.has_events:
        happens = (rows.events.happens > 0) & active[:, None]
        logs = tuple(log_of_rows(log, happens[:, i], ends, v) for i, log, v in with_seen(events.logs, seen))
        events = events._replace(t=end.t, logs=logs)
    if plan.num_save:
        saved = _saved(plan, operands, settings, record, (rows, starts))
    if plan.save_every is not None or plan.dense:
        # Rows of the batch hold rejected attempts in between: move the accepted ones to the front, as the loop does.
        order = jnp.argsort(~active, stable=True)
        rows, starts = jax.tree_util.tree_map(lambda leaf: leaf[order], (rows, starts))
        active = rows.active
        passed = jax.vmap(lambda row, start: _passed(plan, operands, settings, row, start))(rows, starts)
        if plan.dense:
            kept = lambda new, old: jnp.where(like(active, new), new, old)
            pieces = jax.tree_util.tree_map(kept, passed.dense, pieces)
            if plan.has_events:
                events = events._replace(ends=kept(jnp.stack([starts.t, passed.tb], axis=1), events.ends))
        if plan.save_every is not None:
            chosen = jnp.arange(plan.save_every - 1, length, plan.save_every)[: length // plan.save_every]
            at_end = jax.tree_util.tree_map(lambda leaf: leaf[chosen], (passed.tb, passed.y))
            values = jax.vmap(lambda tb, y1: observed(plan, settings, operands.theta, tb, y1))(*at_end)
            stepped = tuple(jnp.where(like(active[chosen], v), v, old) for v, old in zip(values, stepped, strict=True))
    return Outputs(end.y, saved, stepped, pieces, events)


def moving_times(operands: Operands, rows: Row, active: Any) -> tuple[Any, Any]:
    """Beginnings and ends of the recorded steps, which move with t0, t1 and the stops."""
    # Rows that are not in use hold anything, NaN included, which a derivative would carry through a select.
    ta, tb = jnp.where(active, rows.ta, operands.t0), jnp.where(active, rows.tb, operands.t0)
    # Only the very first and the very last time move with t0 and t1, and stops with themselves.
    ta = jnp.where(ta == lax.stop_gradient(operands.t0), operands.t0, ta)
    tb = jnp.where(tb == lax.stop_gradient(operands.t1), operands.t1, tb)
    if operands.tstops is not None:
        ta, tb = _moving_with_stops(operands, ta), _moving_with_stops(operands, tb)
    return ta, jnp.where(active, tb, ta + 1)


class _Rows(NamedTuple):
    """The recorded steps, moving with t0, t1 and the stops."""

    ta: Any
    tb: Any
    active: Any
    frozen_ta: Any
    events: Any


class _Start(NamedTuple):
    """Where a step begins."""

    t: Any
    y: tuple
    memory: Any


def _passed(plan, operands, settings, row, start):
    """One step, recomputed."""
    # Behind an event a step begins where that has moved to; elsewhere where the record says.
    ta = start.t if plan.has_events else row.ta
    ta = jnp.where(row.active, ta, row.ta)
    point = ta, row.tb, start.y, start.memory, operands.theta
    recorded = Row(row.frozen_ta, row.tb, start.y, start.memory, row.events)
    return passed_step(plan, operands, settings, recorded, point)


def with_seen(logs: tuple, seen: tuple) -> list:
    """The number of each event, its log, and what that keeps of every row."""
    supply = iter(seen)
    return [(i, log, None if log is None else next(supply)) for i, log in enumerate(logs)]


def log_of_rows(log: Any, happens: Any, ends: Any, values: Any) -> Any:
    """The log of one event, from what every row would put into it."""
    if log is None:
        return None
    length = log.ts.shape[0]
    so_far = jnp.cumsum(happens)
    slots = jnp.arange(1, length + 1)
    rows = jax.vmap(lambda slot: jnp.argmax(so_far >= slot))(slots)
    used = slots <= so_far[-1]
    pick = lambda new, old: jnp.where(like(used, old), new[rows], old)
    return type(log)(pick(ends, log.ts), tuple(pick(v, old) for v, old in zip(values, log.ys, strict=True)))


def _saved(plan, operands, settings, record, recorded):
    """Values at the save times: find each time's row, recompute that step, interpolate."""
    rows, starts = recorded
    direction = jnp.sign(lax.stop_gradient(operands.t1 - operands.t0))

    def at(time, index):
        frozen = lax.stop_gradient(time)
        ends = jnp.where(rows.active, direction * lax.stop_gradient(rows.tb), -jnp.inf)
        number = jnp.argmax(ends >= direction * frozen)
        row, start = jax.tree_util.tree_map(lambda leaf: leaf[number], (rows, starts))
        passed = _passed(plan, operands, settings, row, start)
        system = plan.bind(operands.theta, settings)
        ta = start.t if plan.has_events else row.ta
        value = sample(plan, system, time, ta, passed.tb, passed.y, passed.dense)
        return tuple(jnp.where(index < record.num_saved, leaf, jnp.nan) for leaf in value)

    return jax.vmap(at)(operands.save_ts, jnp.arange(plan.num_save, dtype=record.num_saved.dtype))


def _moving_with_stops(operands, times):
    """The same times, those on a stop moving with it."""
    frozen = lax.stop_gradient(operands)
    inside = (frozen.tstops != frozen.t0) & (frozen.tstops != frozen.t1)
    on = (lax.stop_gradient(times)[:, None] == frozen.tstops) & inside
    return times + jnp.sum(jnp.where(on, operands.tstops - frozen.tstops, 0.0), axis=1)


def like(mask: Any, leaf: Any) -> Any:
    """The mask with as many axes as the leaf has."""
    return mask.reshape(mask.shape + (1,) * (leaf.ndim - 1))
