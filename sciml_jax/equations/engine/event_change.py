"""What an event does to an integration: the state is changed, the log is written, a new arc begins."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...core.status import Status
from ...numerics.loops import vary_like, while_loop
from .consistent import made_consistent
from .event_search import search
from .operands import Operands, Settings
from .saving import write

ATTEMPTS = 10
"""Attempts to end a step on a root from before it; five times as many from behind."""

ZENO = 16.0
"""The same event again within so many resolutions of the time: the integration stops."""


class Log(NamedTuple):
    """The triggers of one event; shapes (max_triggers, ...)."""

    ts: Any
    ys: tuple


class EventState(NamedTuple):
    """What the events need from one attempt to the next."""

    sides: Any
    """Signs of the searched conditions at the current time, shape (crossings,); see `event_search.search`."""
    is_new: Any
    """Whether a new arc begins at the current time."""
    target: Any
    """The time that the next attempt is to end on; NaN without one."""
    aims: Any
    """The conditions on account of which, shape (crossings,)."""
    attempts: Any
    """How many attempts were made to end on a root."""
    counts: Any
    """How often each event has happened, int32, shape (events,)."""
    last: Any
    """When each event happened last, shape (events,)."""
    logs: tuple
    """A `Log` for each event, or None."""
    bracket: Any = None
    """With noise: the times on both sides of a crossing that the attempts close in on, NaN without one."""


class Occurrence(NamedTuple):
    """What the record keeps of the events at the end of a step, as floats."""

    happens: Any
    """Which events happen there, shape (events,)."""
    decides: Any
    """The condition on whose root the step ends, one-hot, shape (crossings,); zeros where the end is given."""
    is_new: Any
    """Whether a new arc begins with the step."""


def start_events(plan: Any, operands: Operands, settings: Settings) -> EventState:
    """Before the first step."""
    known, t0 = plan.system.events, operands.t0
    system = plan.bind(operands.theta, settings)
    sides = jnp.zeros(len(known.searched), t0.dtype)
    none = jnp.full((), jnp.nan, t0.dtype)
    counts = jnp.zeros(known.number, jnp.int32)
    last = jnp.full(known.number, jnp.nan, t0.dtype)
    zero = jnp.zeros((), jnp.int32)
    logs = empty_logs(plan, system, t0, operands.y0)
    bracket = None if plan.system.brownian is None else (none, none)
    return EventState(sides, jnp.array(True), none, sides > 0, zero, counts, last, logs, bracket)


def empty_logs(plan: Any, system: Any, t0: Any, y0: tuple) -> tuple:
    """Logs of NaN."""

    def empty(i, length):
        if length is None:
            return None
        shapes = jax.eval_shape(lambda t, y: system.events.observe(i, t, y, plan.system.layout), t0, y0)
        nan = lambda leaf: jnp.full((length, *leaf.shape), jnp.nan, leaf.dtype)
        return Log(nan(t0), tuple(nan(leaf) for leaf in shapes))

    return tuple(empty(i, length) for i, length in enumerate(plan.system.events.lengths))


def no_occurrence(plan: Any, like: Any) -> Occurrence:
    """Empty ones for times like these, for the shapes of the record."""
    known = plan.system.events
    zeros = lambda *shape: jnp.zeros((*like.shape, *shape), like.dtype)
    return Occurrence(zeros(known.number), zeros(len(known.searched)), zeros())


class Verdict(NamedTuple):
    """What the events say of an attempted step."""

    retake: Any
    """Whether to repeat the step with another end."""
    target: Any
    """That end."""
    aims: Any
    """The conditions on account of which, shape (crossings,)."""
    happens: Any
    decides: Any
    sides: Any
    new_sides: Any
    """Signs of the conditions that happen, behind their roots; zeros for the others."""
    is_lost: Any
    """Whether a root could not be located."""
    bracket: Any = None
    """With noise: see `EventState`."""


def look(plan: Any, operands: Operands, settings: Settings, state: Any, system: Any, tb: Any, step: Any) -> Verdict:
    """Which events happen at the end of the attempted step, and whether one lies inside it."""
    now, known, ta = state.events, plan.system.events, state.t
    due = given(known, settings, step, system, tb)
    if not known.searched:
        false, none = jnp.array(False), now.sides
        return Verdict(false, tb, none > 0, jnp.stack(due), none, none, none, false)
    h = tb - ta
    dense = plan.method.complete(system, ta, tb, step.dense)
    value = lambda x: system.events.conditions(ta + x * h, plan.method.interpolate(dense, x))
    fine = settings.events.rtol * jnp.maximum(jnp.abs(ta), jnp.abs(tb)) / jnp.abs(h)
    found = search(value, known, now.sides, now.is_new, state.num_accepted == 0, fine)
    at_end = found.crosses & (found.place >= 1 - 2 * fine)
    inside = jnp.any(found.crosses & ~at_end)
    hit = at_end | found.is_near
    # A Boolean has no slope to say how much further it lies: it happens where the dense output had it.
    hit = jnp.where(jnp.any(hit), hit, now.aims & jnp.asarray(known.is_boolean))
    ahead = jnp.min(jnp.where(now.aims, found.ahead, jnp.inf))
    beyond = jnp.any(now.aims) & ~inside & ~jnp.any(hit) & (ahead < 1) & (now.attempts < ATTEMPTS)
    first = jnp.min(found.place)
    target = ta + jnp.where(inside, first, 1 + ahead + 0.5 * jnp.min(fine)) * h
    aims = jnp.where(inside, found.place <= first, now.aims)
    is_lost = (inside & (now.attempts >= 5 * ATTEMPTS)) | ~found.is_finite
    hit = hit & ~inside
    is_given = (tb == operands.t1) | jnp.any(jnp.stack(due))
    is_first = jnp.arange(len(known.searched)) == jnp.argmax(hit)
    decides = is_first & hit & ~jnp.asarray(known.is_boolean) & ~is_given
    place = {i: k for k, i in enumerate(known.searched)}
    happens = jnp.stack([hit[place[i]] if i in place else due[i] for i in range(known.number)])
    # A Boolean that becomes false with `direction=-1` counts as negative behind its root.
    behind = jnp.asarray(np.where(known.direction >= 0, 1.0, -1.0), tb.dtype) * hit
    return Verdict(inside | beyond, target, aims, happens, decides.astype(tb.dtype), found.side, behind, is_lost)


def given(known, settings, step, system, tb) -> list:
    """Whether each event happens at the end of the step because of the time, or because a step ends there."""
    given = [jnp.array(False)] * known.number
    for i in known.preset:
        given[i] = jnp.any(settings.events.times[i] == tb)
    if known.at_steps:
        holds = system.events.step_conditions(tb, step.y1)
        for k, i in enumerate(known.at_steps):
            given[i] = holds[k]
    return given


class Changed(NamedTuple):
    """After an accepted step."""

    y: tuple
    events: EventState
    status: Any
    occurrence: Occurrence


def change(
    plan: Any,
    operands: Operands,
    settings: Settings,
    state: Any,
    tb: Any,
    y1: tuple,
    seen: Verdict,
    accepted: Any,
    status: Any,
) -> Changed:
    """Apply the events that happen at the end of an accepted step; otherwise only the signs go on."""
    now, known = state.events, plan.system.events
    system = plan.bind(operands.theta, settings)
    happens = seen.happens & accepted
    some = jnp.any(happens)

    def body(carry):
        _, y, logs = carry
        for i in range(known.number):
            value = system.events.observe(i, tb, y, plan.system.layout)
            logs = (*logs[:i], _logged(logs[i], happens[i], now.counts[i], tb, value), *logs[i + 1 :])
            new = system.events.affect(i, tb, y)
            y = tuple(jnp.where(happens[i], a, b) for a, b in zip(new, y, strict=True))
        return vary_like(jnp.array(False), carry), made_consistent(system, tb, y), logs

    _, y, logs = while_loop(lambda carry: carry[0], body, (some, y1, now.logs), operands, settings, tb, y1, happens)
    is_new = jnp.any(happens & known.begins_arc)
    counts = now.counts + happens
    resolution = ZENO * jnp.max(settings.events.rtol, initial=0.0) * jnp.abs(tb)
    searched = np.isin(np.arange(known.number), known.searched)
    again = happens & searched & (jnp.abs(tb - now.last) <= resolution)
    if plan.system.brownian is not None:
        # A path that crosses a level crosses it again at once; how often is bounded by the log.
        again = jnp.zeros_like(again)
    longest = np.array([np.iinfo(np.int32).max if n is None else n for n in known.lengths])
    status = jnp.where(jnp.any(happens & known.terminal), jnp.int32(Status.EVENT), status)
    status = jnp.where(jnp.any(again | (counts > longest)), jnp.int32(Status.ZENO), status)
    broken = functools.reduce(jnp.logical_or, (jnp.any(~jnp.isfinite(leaf)) for leaf in y))
    status = jnp.where(some & broken, jnp.int32(Status.NON_FINITE), status)
    status = jnp.where(seen.is_lost, jnp.int32(Status.NOT_LOCATED), status)
    choose = lambda new, old: jnp.where(accepted, new, old)
    retake = seen.retake & ~accepted
    fresh = jnp.where(jnp.asarray(known.is_boolean), seen.new_sides, 0)
    events = EventState(
        sides=choose(jnp.where(is_new, fresh, seen.sides), now.sides),
        is_new=choose(is_new, now.is_new),
        target=jnp.where(retake, seen.target, jnp.nan),
        aims=seen.aims & retake,
        attempts=jnp.where(retake, now.attempts + 1, 0),
        counts=counts,
        last=jnp.where(happens, tb, now.last),
        logs=logs,
        bracket=jax.tree_util.tree_map(lambda leaf: jnp.where(retake, leaf, jnp.nan), seen.bracket),
    )
    as_float = lambda leaf: leaf.astype(tb.dtype)
    occurrence = Occurrence(as_float(happens), seen.decides * accepted, as_float(now.is_new))
    return Changed(y, events, status, occurrence)


def _logged(log, happens, count, t, value):
    """The log with one more entry where it happens; beyond its end nothing is written."""
    if log is None:
        return None
    index = jnp.minimum(count, log.ts.shape[0] - 1)
    happens = happens & (count < log.ts.shape[0])
    put = lambda buffer, leaf: write(buffer, jnp.where(happens, leaf, buffer[index]), index)
    return Log(put(log.ts, t), tuple(put(b, v) for b, v in zip(log.ys, value, strict=True)))
