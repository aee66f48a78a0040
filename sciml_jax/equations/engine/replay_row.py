"""What one recorded step does to tangents and to cotangents, with everything that was saved inside it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ...numerics.loops import vary_like, while_loop
from .event_row import Passed, pull_events, pulled_step, push_events, pushed_step
from .operands import Operands, Settings, is_stop
from .saving import sample, write, write_masked
from .wanted import add


class EventOutputs(NamedTuple):
    """What else derivatives are taken of in a solve with events."""

    t: Any
    """The time where the integration ended."""
    logs: tuple
    """A `Log` for each event, or None."""
    ends: Any
    """Beginning and end of the pieces of a dense output."""


class Outputs(NamedTuple):
    """What derivatives are taken of."""

    y: tuple
    """The state where the integration ended."""
    saved: tuple
    stepped: tuple
    pieces: Any
    events: Any = None
    """`EventOutputs`, or None."""


class Pushed(NamedTuple):
    """Tangents on their way forward."""

    dy: tuple
    dmemory: Any
    accepted: Any
    """Steps passed."""
    cursor: Any
    """Save times passed."""
    saved: tuple
    stepped: tuple
    pieces: Any
    events: Any = None
    """Tangents of the `EventOutputs`; `t` is that of the current time."""
    counts: Any = None
    """How often each event has happened."""
    delays: Any = None
    """Pieces that lookups read, and their tangents (`delays.replay.Replayed`), or None."""


class Pulled(NamedTuple):
    """Cotangents on their way back."""

    ct_y: tuple
    ct_memory: Any
    accepted: Any
    """Steps still to come."""
    cursor: Any
    """Save times still to come."""
    total: Operands
    """Cotangents of the operands so far; None for those that are not wanted, none for the initial state."""
    ct_t: Any = None
    """Cotangent of the current time, in a solve with events."""
    counts: Any = None
    """How often each event is still to come."""
    delays: Any = None
    """Pieces that lookups read, and their cotangents (`delays.replay.Replayed`), or None."""


def observed(plan: Any, settings: Settings, theta: tuple, tb: Any, y1: tuple) -> tuple:
    """What `SaveAt(steps=...)` keeps at the end of a step: the observed leaves and the time."""
    return (*plan.bind(theta, settings).observe(tb, y1), tb)


def push_row(
    plan: Any, all_accepted: bool, operands: Operands, settings: Settings, tangents: Operands, row: Any, carry: Pushed
) -> Pushed:
    """Push tangents through one row; `all_accepted` says that no row is a rejected attempt."""
    ta, tb, active = row.ta, row.tb, _is_active(row, all_accepted)
    safe_tb = jnp.where(active, tb, ta + 1)
    dta, dtb = _moving_ends(operands, ta, tb, tangents)
    dta = dta if carry.events is None else carry.events.t
    theta, dtheta = operands.theta, tangents.theta
    point, moves = (ta, safe_tb, row.y, row.memory, theta), (dta, dtb, carry.dy, carry.dmemory, dtheta)
    delays = None
    if plan.delays is None:
        passed, moved = pushed_step(plan, operands, settings, row, all_accepted, point, moves)
    else:
        pushed = plan.delays.push(plan, operands, settings, row, all_accepted, carry, active, point, moves)
        passed, moved, delays, dta = pushed
    (_, y1, dense, _, _), (dtb, dy1, ddense, dmemory, dseen) = passed, moved
    cursor, saved, stepped, pieces = carry.cursor, carry.saved, carry.stepped, carry.pieces

    def save(looped):
        cursor, saved = looped
        point = (theta, operands.save_ts[cursor], ta, safe_tb, y1, dense)
        moves = (dtheta, tangents.save_ts[cursor], dta, dtb, dy1, ddense)
        value = jax.jvp(lambda *args: _sampled(plan, settings, *args), point, moves)[1]
        put = write if all_accepted else write_masked
        return cursor + 1, tuple(put(buffer, leaf, cursor) for buffer, leaf in zip(saved, value, strict=True))

    if plan.num_save:
        pending = lambda looped: active & _is_pending(plan, operands, looped[0], tb)
        cursor, saved = while_loop(pending, save, (cursor, saved), operands, ta, tb, dy1)
    if plan.save_every is not None:
        keep, index = _step_row(plan, carry.accepted, active)
        point, moves = (theta, safe_tb, y1), (dtheta, dtb, dy1)
        value = jax.jvp(lambda *args: observed(plan, settings, *args), point, moves)[1]
        stepped = tuple(
            write(buffer, jnp.where(keep, leaf, buffer[index]), index)
            for buffer, leaf in zip(stepped, value, strict=True)
        )
    if plan.dense:
        index = carry.accepted
        put = lambda buffer, leaf: write(buffer, jnp.where(active, leaf, buffer[index]), index)
        pieces = jax.tree_util.tree_map(put, pieces, ddense)
    events, counts = carry.events, carry.counts
    if plan.has_events:
        events, counts = push_events(plan, row, carry, active, dta, dtb, dseen)
    dy, dmemory = _choose(active, (dy1, dmemory), (carry.dy, carry.dmemory))
    accepted = carry.accepted + active.astype(jnp.int32)
    return Pushed(dy, dmemory, accepted, cursor, saved, stepped, pieces, events, counts, delays)


def pull_row(
    plan: Any, all_accepted: bool, operands: Operands, settings: Settings, cotangents: Outputs, row: Any, carry: Pulled
) -> Pulled:
    """Pull cotangents back through one row; `all_accepted` says that no row is a rejected attempt."""
    ta, tb, active = row.ta, row.tb, _is_active(row, all_accepted)
    safe_tb = jnp.where(active, tb, ta + 1)
    accepted = carry.accepted - active.astype(jnp.int32)
    theta, total = operands.theta, carry.total
    theta_here = theta if plan.delays is None else plan.delays.theta(plan, operands, row, carry, accepted)
    point = ta, safe_tb, row.y, row.memory, theta_here
    passed, pull = pulled_step(plan, operands, settings, row, all_accepted, point)
    y1, dense = passed.y, passed.dense
    cursor, ct_y, ct_theta, ct_times = carry.cursor, carry.ct_y, total.theta, total.save_ts
    ct_ends = vary_like((jnp.zeros_like(ta), jnp.zeros_like(ta)), ct_y, ta)
    # Where the ends of steps are held fixed there is nothing to sum up at the save times.
    move = plan.has_events or plan.delays is not None or any(x is not None for x in (total.t0, total.t1, total.tstops))
    ct_dense = vary_like(jax.tree_util.tree_map(jnp.zeros_like, dense), ct_y, dense)
    if plan.dense:
        ct_dense = jax.tree_util.tree_map(lambda buffer: jnp.where(active, buffer[accepted], 0), cotangents.pieces)
    if plan.save_every is not None:
        keep, index = _step_row(plan, accepted, active)
        _, pull_value = jax.vjp(lambda *args: observed(plan, settings, *args), theta, safe_tb, y1)
        more, ct_tb, ct_y1 = pull_value(tuple(jnp.where(keep, buffer[index], 0) for buffer in cotangents.stepped))
        ct_theta, ct_y, ct_ends = add(ct_theta, more), add(ct_y, ct_y1), (ct_ends[0], ct_ends[1] + ct_tb)

    def unsave(looped):
        cursor, ct_theta, ct_times, ct_ends, ct_y, ct_dense = looped
        cursor = cursor - 1
        # Without a saved function the parameters play no part, and adding zeros to all of them would cost.
        moving = theta if plan.system.saved_function is not None else ()
        value = lambda moving, *args: _sampled(plan, settings, moving or theta, *args)
        _, pull_value = jax.vjp(value, moving, operands.save_ts[cursor], ta, safe_tb, y1, dense)
        more, ct_time, *ends, ct_y1, ct_piece = pull_value(tuple(buffer[cursor] for buffer in cotangents.saved))
        # Every save time is passed once.
        put = write if all_accepted else write_masked
        ct_times = None if ct_times is None else put(ct_times, ct_time, cursor)
        ct_theta = add(ct_theta, more) if moving else ct_theta
        ct_ends = add(ct_ends, tuple(ends)) if move else ct_ends
        ct_y, ct_dense = add(ct_y, ct_y1), add(ct_dense, ct_piece)
        return cursor, ct_theta, ct_times, ct_ends, ct_y, ct_dense

    if plan.num_save:
        pending = lambda looped: active & _was_saved(operands, looped[0], ta)
        looped = (cursor, ct_theta, ct_times, ct_ends, ct_y, ct_dense)
        cursor, ct_theta, ct_times, ct_ends, ct_y, ct_dense = while_loop(pending, unsave, looped, operands, ta, tb)
    ct_seen, counts = (), carry.counts
    if plan.has_events:
        counts, ct_ends, ct_seen = pull_events(plan, row, carry, cotangents, accepted, active, ct_ends)
    ct_passed, delays = Passed(ct_ends[1], ct_y, ct_dense, carry.ct_memory, ct_seen), None
    if plan.delays is None:
        ct_ta, ct_tb, ct_y0, ct_memory, more = pull(ct_passed)
    else:
        looked_up = carry, active, accepted, passed, pull, ct_passed, ct_ends[0]
        (ct_ta, ct_tb, ct_y0, ct_memory, more), delays = plan.delays.pull(plan, operands, settings, row, *looked_up)
        ct_ends = (jnp.zeros_like(ct_ta), ct_ends[1])
    ct_ta, ct_t = ct_ends[0] + ct_ta, carry.ct_t
    if plan.has_events:
        # The step begins where the one before ends, wherever that moves.
        ct_t, ct_ta = jnp.where(active, ct_ta, ct_t), jnp.zeros_like(ct_ta)
    moved = total._replace(theta=add(ct_theta, more), save_ts=ct_times)
    moved = _credit_ends(operands, ta, tb, ct_ta, ct_tb, moved)
    ct_y, ct_memory = _choose(active, (ct_y0, ct_memory), (carry.ct_y, carry.ct_memory))
    return Pulled(ct_y, ct_memory, accepted, cursor, _choose(active, moved, total), ct_t, counts, delays)


def _is_active(row, all_accepted):
    # A constant, so that XLA drops the selects: over the weights of a network they would cost as much as a step.
    return jnp.array(True) if all_accepted else row.ta != row.tb


def _moving_ends(operands, ta, tb, tangents):
    """Tangents of a step's ends: the first and the last time of all move with t0 and t1, and stops with themselves."""
    moved = []
    for time, end, rate in ((ta, operands.t0, tangents.t0), (tb, operands.t1, tangents.t1)):
        tangent = jnp.where(time == end, rate, 0.0)
        if operands.tstops is not None:
            tangent = tangent + jnp.sum(jnp.where(is_stop(operands, time), tangents.tstops, 0.0))
        moved.append(tangent)
    return moved


def _credit_ends(operands, ta, tb, ct_ta, ct_tb, total):
    """The transpose of `_moving_ends`, added to the cotangents of the operands."""
    total = total._replace(
        t0=add(total.t0, jnp.where(ta == operands.t0, ct_ta, 0.0)),
        t1=add(total.t1, jnp.where(tb == operands.t1, ct_tb, 0.0)),
    )
    if total.tstops is None:
        return total
    share = jnp.where(is_stop(operands, ta), ct_ta, 0.0) + jnp.where(is_stop(operands, tb), ct_tb, 0.0)
    return total._replace(tstops=total.tstops + share)


def _step_row(plan, accepted, active):
    """Whether the step after `accepted` others was kept, and in which row."""
    keep = active & ((accepted + 1) % plan.save_every == 0)
    return keep, jnp.where(keep, (accepted + 1) // plan.save_every - 1, 0)


def _sampled(plan, settings, theta, time, ta, tb, y1, dense):
    return sample(plan, plan.bind(theta, settings), time, ta, tb, y1, dense)


def _is_pending(plan, operands, cursor, tb):
    direction = jnp.sign(operands.t1 - operands.t0)
    time = operands.save_ts[jnp.minimum(cursor, plan.num_save - 1)]
    return (cursor < plan.num_save) & (direction * time <= direction * tb)


def _was_saved(operands, cursor, ta):
    """Whether the save time before `cursor` lies in the step from `ta` (the first step includes t0 itself)."""
    direction = jnp.sign(operands.t1 - operands.t0)
    time = operands.save_ts[jnp.maximum(cursor - 1, 0)]
    return (cursor > 0) & ((direction * time > direction * ta) | (ta == operands.t0))


def _choose(active, new, old):
    return jax.tree_util.tree_map(lambda a, b: jnp.where(active, a, b), new, old)
