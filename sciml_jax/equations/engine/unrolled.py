"""The replayed integration as plain, fully differentiable JAX: a scan over every row of the record.

Used for second and higher derivatives, and in tests as the twin that the loops must agree with.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ...numerics.loops import vary_like
from .operands import Operands, Settings, is_stop
from .record import Record
from .replay_row import Outputs, observed
from .saving import sample


def unrolled_outputs(plan: Any, operands: Operands, settings: Settings, record: Record) -> Outputs:
    """The outputs recomputed from `operands` on the recorded times; costs `max_steps` iterations.

    The states are recomputed from `y0` instead of being read from the record, so that derivatives of any order see
    every dependence.
    """
    length = plan.max_steps
    index = jnp.arange(length, dtype=record.num_rows.dtype)
    used = index < record.num_rows
    ta, tb = record.rows.ta, record.rows.tb
    active = used & (ta != tb)
    # Rows that are not in use hold anything, NaN included, which a derivative would carry through a select.
    ta, tb = jnp.where(active, ta, operands.t0), jnp.where(active, tb, operands.t0)
    # Only the very first and the very last time move with t0 and t1, and stops with themselves.
    ta = jnp.where(ta == lax.stop_gradient(operands.t0), operands.t0, ta)
    tb = jnp.where(tb == lax.stop_gradient(operands.t1), operands.t1, tb)
    if operands.tstops is not None:
        ta, tb = _moving_with_stops(operands, ta), _moving_with_stops(operands, tb)
    tb = jnp.where(active, tb, ta + 1)

    restarts = jnp.zeros(length, bool)
    if plan.restarts:
        restarts = jax.vmap(lambda ta: jnp.any(is_stop(operands, ta)))(record.rows.ta)

    @jax.checkpoint
    def advance(carry, row):
        ta, tb, active, restart = row
        y1, _, memory1 = plan.replayed_step(operands.theta, settings, ta, tb, *carry, restart)
        new = jax.tree_util.tree_map(lambda new, old: jnp.where(active, new, old), (y1, memory1), carry)
        return new, carry

    memory = None
    if plan.has_memory:
        memory = plan.method.begin(plan.bind(operands.theta, settings), operands.t0, operands.y0)
    begin = vary_like((operands.y0, memory), operands, settings, record)
    (y, _), starts = lax.scan(advance, begin, (ta, tb, active, restarts))
    outputs = plan.empty_outputs(operands, settings)
    saved, stepped, pieces = outputs.saved, outputs.stepped, outputs.pieces
    if plan.num_save:
        saved = _saved(plan, operands, settings, record, (ta, tb, active, starts, restarts))
    if plan.save_every is not None or plan.dense:
        # Rows of the batch hold rejected attempts in between: move the accepted ones to the front, as the loop does.
        order = jnp.argsort(~active, stable=True)
        ta, tb, active, starts = jax.tree_util.tree_map(lambda leaf: leaf[order], (ta, tb, active, starts))
        step = lambda ta, tb, start, restart: plan.replayed_step(operands.theta, settings, ta, tb, *start, restart)
        y1, dense, _ = jax.vmap(step)(ta, tb, starts, restarts[order])
        if plan.dense:
            pieces = jax.tree_util.tree_map(lambda new, old: jnp.where(_like(active, new), new, old), dense, pieces)
        if plan.save_every is not None:
            chosen = jnp.arange(plan.save_every - 1, length, plan.save_every)[: length // plan.save_every]
            ends = jax.tree_util.tree_map(lambda leaf: leaf[chosen], (tb, y1))
            values = jax.vmap(lambda tb, y1: observed(plan, settings, operands.theta, tb, y1))(*ends)
            stepped = tuple(jnp.where(_like(active[chosen], v), v, old) for v, old in zip(values, stepped, strict=True))
    return Outputs(y, saved, stepped, pieces)


def _saved(plan, operands, settings, record, rows):
    """Values at the save times: find each time's row, recompute that step, interpolate."""
    ta, tb, active, starts, restarts = rows
    direction = jnp.sign(lax.stop_gradient(operands.t1 - operands.t0))

    def at(time, index):
        frozen = lax.stop_gradient(time)
        ends = jnp.where(active, direction * lax.stop_gradient(tb), -jnp.inf)
        row = jnp.argmax(ends >= direction * frozen)
        a, b, start, restart = jax.tree_util.tree_map(lambda leaf: leaf[row], (ta, tb, starts, restarts))
        y1, dense, _ = plan.replayed_step(operands.theta, settings, a, b, *start, restart)
        system = plan.bind(operands.theta, settings)
        value = sample(plan, system, time, a, b, y1, dense)
        return tuple(jnp.where(index < record.num_saved, leaf, jnp.nan) for leaf in value)

    return jax.vmap(at)(operands.save_ts, jnp.arange(plan.num_save, dtype=record.num_saved.dtype))


def _moving_with_stops(operands, times):
    """The same times, those on a stop moving with it."""
    frozen = lax.stop_gradient(operands)
    inside = (frozen.tstops != frozen.t0) & (frozen.tstops != frozen.t1)
    on = (lax.stop_gradient(times)[:, None] == frozen.tstops) & inside
    return times + jnp.sum(jnp.where(on, operands.tstops - frozen.tstops, 0.0), axis=1)


def _like(mask, leaf):
    return mask.reshape(mask.shape + (1,) * (leaf.ndim - 1))
