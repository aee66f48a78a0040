"""After a step: whether a lag has passed a breaking point inside it, and what is kept."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from ...numerics.loops import while_loop
from ..engine.operands import is_stop
from .ahead import Ahead, rounding
from .history import History, Kept, Marks, Points, as_row, row_at
from .iterate import FRACTIONS
from .past import WINDOW

ATTEMPTS = 12
"""Attempts to end a step on a breaking point."""

BISECTIONS = 60
"""Iterations for a root on the dense output, at most."""


class Settled(NamedTuple):
    """What the delays say of an attempted step."""

    retake: Any
    """Whether to repeat the step so that it ends on a breaking point."""
    target: Any
    aims: tuple
    passes: tuple
    """Whether each lag is on the breaking point in front of it at the end of the step."""
    returns: tuple
    """Whether it is on the one behind it, on the way back."""


def look_back(plan: Any, settings: Any, system: Any, state: Any, ahead: Ahead, step: Any) -> Settled:
    """Which lags reach breaking points in or at the end of the step."""
    ta, tb = state.t, ahead.tb
    close = rounding(ta, tb)
    # How far beside its breaking point a lag may be: the jump of a slope over that time is below the tolerance.
    least = jnp.min(jnp.stack([jnp.min(r) for r in settings.rtol])).astype(ta.dtype)
    near = lax.stop_gradient(jnp.maximum(close, 1e-2 * least * (tb - ta)))
    false, infinite = jnp.array(False), jnp.full_like(ta, jnp.inf)
    aims, places, passes, returns = [], [], [], []
    for j, reach in enumerate(ahead.reaches):
        if plan.delays.is_constant[j]:
            on_it = reach.has_next & (reach.lag > close) & (tb >= reach.next_time + reach.lag - close)
            found = false, infinite, on_it, false
        else:
            found = _located(plan, system, state, tb, step.dense, j, reach, near)
        for values, value in zip((aims, places, passes, returns), found, strict=True):
            values.append(value)
    retake, target = false, infinite
    for aim, place in zip(aims, places, strict=True):
        retake, target = retake | aim, jnp.minimum(target, jnp.where(aim, ta + place * (tb - ta), jnp.inf))
    return Settled(retake, target, tuple(aims), tuple(passes), tuple(returns))


def _located(plan, system, state, tb, piece, j, reach, near) -> tuple:
    """Whether a lag passes a breaking point inside the step and where; whether it ends on the next or the last one."""
    now, ta = state.history, state.t
    is_aimed = jnp.isfinite(now.target) & (tb == now.target) & now.aims[j]
    is_tired = now.attempts >= ATTEMPTS
    crosses, place, ends = jnp.array(False), jnp.full_like(ta, jnp.inf), []
    sides = (reach.next_time, 1.0, reach.has_next), (reach.lower_time, -1.0, ~reach.is_before)
    for point, sign, exists in sides:
        found = _crossing(plan, system, ta, tb - ta, piece, j, point, sign, exists, near)
        on_it = exists & ((is_aimed & (jnp.abs(found.end) <= near)) | (found.crosses & is_tired))
        inside = found.crosses & ~on_it
        crosses, place = crosses | inside, jnp.minimum(place, jnp.where(inside, found.place, jnp.inf))
        ends.append(on_it)
    return crosses, place, ends[0] & ~ends[1], ends[1]


class _Crossing(NamedTuple):
    crosses: Any
    place: Any
    """Where, as a fraction of the step."""
    end: Any
    """How far beyond the breaking point the lag is at the end of the step."""


def _crossing(plan, system, ta, h, piece, j, point, sign, exists, near) -> _Crossing:
    point = jnp.where(exists, point, 0.0)

    def beyond(x):
        t = ta + x * h
        return sign * (t - system.lags(t, plan.method.interpolate(piece, x))[j] - point)

    low, high, found = jnp.zeros_like(ta), jnp.ones_like(ta), jnp.array(False)
    end = low
    for fraction in FRACTIONS:
        x = jnp.asarray(fraction, ta.dtype)
        end = beyond(x)
        new = exists & ~found & (end > near)
        high = jnp.where(new, x, high)
        low = jnp.where(found | new, low, x)
        found = found | new

    def body(looped):
        count, a, b, fa, fb = looped
        secant = a - fa * (b - a) / jnp.where(fb == fa, 1.0, fb - fa)
        inside = (secant > a) & (secant < b) & (count % 3 != 2)
        x = jnp.where(inside, secant, 0.5 * (a + b))
        f = beyond(x)
        left = f <= 0
        return count + 1, jnp.where(left, x, a), jnp.where(left, b, x), jnp.where(left, f, fa), jnp.where(left, fb, f)

    def going(looped):
        count, a, b, _, fb = looped
        return found & (count < BISECTIONS) & (fb > 0.25 * near) & (b - a > 1e-15)

    looped = (jnp.int32(0), low, high, jnp.minimum(beyond(low), 0.0), beyond(high))
    _, _, place, _, _ = while_loop(going, body, looped, ta, h, piece, found, point, near, system.operands())
    return _Crossing(found, place, end)


def settle(
    plan: Any,
    operands: Any,
    state: Any,
    ahead: Ahead,
    is_own: tuple,
    seen: Settled,
    step: Any,
    row: Any,
    accepted: Any,
    happens: Any,
) -> tuple[History, Marks, Any]:
    """The history after an attempt, the step's marks for the record, and whether something is not kept any more.

    `happens` says which events there are at the end of the step.
    """
    delays, now, tb, n = plan.delays, state.history, ahead.tb, state.num_accepted
    float_ = lambda value: jnp.asarray(value).astype(tb.dtype)
    cause, parent, level = _cause(plan, now, ahead, seen)
    # The vector field may jump at a stop, an event may change the state.
    if plan.has_stops:
        level = jnp.where(jnp.any(is_stop(operands, tb)), jnp.minimum(level, 1.0), level)
    if happens is not None:
        level = jnp.where(jnp.any(happens > 0), 0.0, level)
    appends = accepted & (level <= delays.last_level)
    floats = lambda values: tuple(float_(value) for value in values)
    marks = Marks(
        first=floats(reach.first for reach in ahead.reaches),
        count=floats(reach.count for reach in ahead.reaches),
        is_before=floats(reach.is_before for reach in ahead.reaches),
        is_own=floats(is_own),
        is_new=float_(now.is_new),
        cause=cause,
        parent=parent,
    )
    # What is written behind the last point or step counts for nothing until it is counted.
    point = as_row(Points(tb, float_(n + 1), level))
    slot = now.num_points % now.kept.points.time.shape[0]
    kept = _written(plan, now.kept, step.dense, point, row._replace(delays=marks), n, slot)
    first, section = _moved(plan, now, ahead, seen, accepted)
    retake = seen.retake & ~accepted
    history = History(
        kept=kept,
        first=first,
        section=section,
        num_points=now.num_points + appends.astype(jnp.int32),
        is_new=jnp.where(accepted, appends, now.is_new),
        target=jnp.where(retake, seen.target, jnp.inf),
        aims=tuple(flag & retake for flag in seen.aims),
        attempts=jnp.where(retake, now.attempts + 1, 0),
    )
    is_lost = jnp.array(False)
    for reach in ahead.reaches:
        is_lost = is_lost | reach.is_lost
    return history, marks, is_lost


def _behind(now, j):
    """The breaking point behind a lag."""
    return row_at(now.kept.points, jnp.maximum(now.section[j], 0) % now.kept.points.time.shape[0])


def _cause(plan, now, ahead, seen):
    """The lag on whose account the step ends where it does, its breaking point, and which derivative jumps there."""
    dtype = ahead.tb.dtype
    cause, parent, level = (jnp.full((), value, dtype) for value in (-1.0, 0.0, jnp.inf))
    for j, reach in enumerate(ahead.reaches):
        is_there, row, lowest = seen.passes[j], reach.next_row, reach.next_level
        if not plan.delays.is_constant[j]:
            behind = _behind(now, j)
            row = jnp.where(seen.returns[j], behind.row, row)
            lowest = jnp.where(seen.returns[j], behind.level, lowest)
            is_there = is_there | seen.returns[j]
        # In a neutral equation the slope jumps again.
        child = jnp.maximum(lowest, 1.0) if plan.delays.neutral else lowest + 1
        is_lower = is_there & (child < level)
        cause, parent = jnp.where(is_lower, jnp.asarray(j, dtype), cause), jnp.where(is_lower, row, parent)
        level = jnp.where(is_lower, child, level)
    return cause, parent, level


def _moved(plan, now, ahead, seen, accepted):
    """Where the lags are after the step: rows of pieces and sections between breaking points."""
    first, section = [], []
    for j, reach in enumerate(ahead.reaches):
        up, down = accepted & seen.passes[j], accepted & seen.returns[j]
        section.append(now.section[j] + up.astype(jnp.int32) - down.astype(jnp.int32))
        begin = jnp.where(up, reach.next_row.astype(jnp.int32), reach.first)
        if not plan.delays.is_constant[j]:
            # On the way back the last piece in front of the breaking point comes next.
            last = jnp.maximum(_behind(now, j).row.astype(jnp.int32) - 1, 0)
            begin = jnp.where(down, last, begin)
        first.append(jnp.where(accepted, begin, now.first[j]))
    return tuple(first), tuple(section)


def _written(plan, kept: Kept, piece, point, row, n, point_slot) -> Kept:
    """The arrays with the step in them."""
    delays = plan.delays
    slot = (n % delays.ring).astype(jnp.int32)
    targets, values, slots = [kept.pieces, kept.points], [as_row(piece), point], [slot, point_slot]
    if kept.rows is not None:
        targets, values, slots = [*targets, kept.rows], [*values, as_row(row)], [*slots, slot]
    write = delays.put
    pieces, points, *rows = write(tuple(targets), tuple(values), tuple(slots))
    if delays.wraps:
        # The first rows are repeated behind the last ones, so that a window is contiguous.
        (pieces,) = write((pieces,), (as_row(piece),), (jnp.where(slot < WINDOW, slot + delays.ring, slot),))
    return Kept(pieces, points, rows[0] if rows else None)
