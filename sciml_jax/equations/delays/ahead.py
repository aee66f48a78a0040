"""Before a step: what its lookups can reach, and on which breaking point it has to end."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from ...numerics.loops import while_loop
from .history import row_at, window_at
from .past import WINDOW, Context, Window
from .system import as_rows

ROUNDING = 16
"""Times that differ by so many units of rounding are one."""


class Reach(NamedTuple):
    """Where one lag is at the beginning of a step."""

    lag: Any
    s: Any
    """The time that it looks up there."""
    has_next: Any
    """Whether there is a breaking point in front of it."""
    next_time: Any
    next_row: Any
    next_level: Any
    lower_time: Any
    """The breaking point behind it."""
    first: Any
    count: Any
    """Pieces in the window, int32."""
    is_before: Any
    is_open: Any
    """Whether the window ends where the step begins."""
    cut_low: Any
    cut_high: Any
    end: Any
    """The end of the window's last piece."""
    is_lost: Any
    """Whether what it looks up is not kept any more."""


class Ahead(NamedTuple):
    """A step that is about to be attempted."""

    tb: Any
    lands: Any
    """Whether it ends on its target."""
    is_end: Any
    """Whether that is t1."""
    is_short: Any
    """Whether it is shorter than the controller wants."""
    reaches: tuple
    is_own: tuple
    """Which lags are shorter than the step."""


def rounding(*times: Any) -> Any:
    """How far apart equal times may be."""
    largest = jnp.abs(times[0])
    for time in times[1:]:
        largest = jnp.maximum(largest, jnp.abs(jnp.where(jnp.isfinite(time), time, 0.0)))
    return ROUNDING * jnp.finfo(largest.dtype).eps * lax.stop_gradient(largest)


def look_ahead(plan: Any, system: Any, state: Any, h: Any, target: Any, is_end: Any) -> Ahead:
    """The next step: to the target, to a breaking point, or by `h` as far as the windows allow."""
    delays, ta = plan.delays, state.t
    aims = jnp.array(False)
    if plan.has_events:
        # An earlier attempt has found an event on the way.
        aims = ~jnp.isnan(state.events.target)
        is_end = is_end & ~(aims & (state.events.target != target))
        target = jnp.where(aims, state.events.target, target)
    reaches = tuple(_reach(plan, state, j, lag) for j, lag in enumerate(system.lags(ta, state.y)))
    close = rounding(ta, target)
    later = system.lags(ta + h, state.y)
    landing, cap = _limits(delays, state, reaches, later, h, close)
    # A breaking point at the target itself is the target.
    is_break = landing < target - close
    target, is_end = jnp.where(is_break, landing, target), is_end & ~is_break
    remaining = lax.stop_gradient(target - ta)
    lands = (aims | (1.01 * h >= remaining)) & (cap >= remaining - close)
    tb = jnp.where(lands, target, ta + jnp.minimum(h, jnp.minimum(cap, remaining)))
    is_own = []
    for j, reach in enumerate(reaches):
        lag = reach.lag if delays.is_constant[j] else later[j]
        own = (tb - lag > ta + close) | (reach.count == 0)
        if not delays.is_constant[j]:
            own = own | (reach.s > ta - close)
        is_own.append(reach.is_open & own)
    return Ahead(tb, lands, is_end, lands | (cap < h), reaches, tuple(is_own))


def _limits(delays, state, reaches, later, h, close):
    """The next breaking point that is known, and how far the windows reach."""
    ta = state.t
    landing, cap = state.history.target, jnp.full_like(ta, jnp.inf)
    for j, reach in enumerate(reaches):
        if delays.is_constant[j]:
            # A lag of zero reaches no breaking point: its lookups are the state itself.
            reaches_next = reach.has_next & (reach.lag > close)
            landing = jnp.minimum(landing, jnp.where(reaches_next, reach.next_time + reach.lag, jnp.inf))
            rate = jnp.ones_like(ta)
        else:
            rate = lax.stop_gradient((ta + h - later[j] - reach.s) / h)
        limited = ~reach.is_before & reach.cut_high & (rate > 0)
        cap = jnp.minimum(cap, jnp.where(limited, (reach.end - reach.s) / jnp.where(limited, rate, 1.0), jnp.inf))
        # A step somewhat longer than the lag would have to be iterated, which costs more than a shorter one.
        barely = reach.is_open & (reach.lag < h) & (3 * reach.lag > h)
        cap = jnp.minimum(cap, jnp.where(barely, reach.lag, jnp.inf))
    return landing, lax.stop_gradient(cap)


def _reach(plan: Any, state: Any, j: int, lag: Any) -> Reach:
    delays, now, n = plan.delays, state.history, state.num_accepted
    points, pieces = now.kept.points, now.kept.pieces
    size, ring = points.time.shape[0], delays.ring
    s, section = state.t - lag, now.section[j]
    still = lax.stop_gradient(s)
    has_next = section + 1 < now.num_points
    following, own = row_at(points, (section + 1) % size), row_at(points, jnp.maximum(section, 0) % size)
    is_before = section < 0
    start_row = own.row.astype(jnp.int32)
    end_row = jnp.where(has_next, following.row.astype(jnp.int32), n)
    time_at = lambda leaf, row: lax.stop_gradient(row_at(leaf, row % ring))

    going = lambda row: ~is_before & (row + 1 < end_row) & (time_at(pieces.tb, row) <= still)
    first = while_loop(going, lambda row: row + 1, now.first[j], pieces.tb, state)
    if not delays.is_constant[j]:
        back = lambda row: ~is_before & (row > start_row) & (time_at(pieces.ta, row) > still)
        first = while_loop(back, lambda row: row - 1, first, pieces.ta, state)
    # One piece more behind than a lag that grows needs.
    begin = first if delays.is_constant[j] else jnp.maximum(first - 1, start_row)
    begin = jnp.where(is_before, 0, begin)
    count = jnp.where(is_before, 0, jnp.clip(end_row - begin, 0, WINDOW))
    end = time_at(pieces.tb, jnp.maximum(begin + count - 1, 0))
    is_lost = ~is_before & (count > 0) & (begin <= n - delays.limit) | (section + 1 <= now.num_points - size)
    return Reach(
        lag=lag,
        s=still,
        has_next=has_next,
        next_time=following.time,
        next_row=following.row,
        next_level=following.level,
        lower_time=jnp.where(is_before, -jnp.inf, own.time),
        first=jnp.where(is_before, now.first[j], begin),
        count=count,
        is_before=is_before,
        is_open=~is_before & ~has_next & (begin + count == n),
        cut_low=~is_before & (begin > start_row),
        cut_high=begin + count < end_row,
        end=end,
        is_lost=is_lost,
    )


def context_of(plan: Any, operands: Any, state: Any, ahead: Ahead, is_own: tuple, own: Any, known: Any) -> Context:
    """What lookups in the step read."""
    delays, kept = plan.delays, state.history.kept
    as_float = lambda flag: flag.astype(state.t.dtype)
    windows = []
    for reach, flag in zip(ahead.reaches, is_own, strict=True):
        begin = jnp.where(reach.is_before, 0, reach.first) % delays.ring
        pieces = as_rows(window_at(kept.pieces, begin), plan.system.layout)
        flags = (reach.count, reach.is_before, flag, reach.cut_low, reach.cut_high)
        windows.append(Window(pieces, *(as_float(flag) for flag in flags)))
    mode = jnp.zeros_like(state.t)
    return Context(tuple(windows), own, as_float(known), state.t, state.y, operands.t0, mode)
