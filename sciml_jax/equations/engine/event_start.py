"""Events at the very start: preset times that are t0 change the initial state before the first step."""

from typing import Any

import jax.numpy as jnp
from jax import lax

from .consistent import made_consistent
from .event_change import Log
from .operands import Operands, Settings
from .whole import put_together, take_apart


def at_start(plan: Any, whole: Operands, settings: Settings) -> tuple[Operands, tuple]:
    """The operands with the state behind such events, and for every event `(whether it happens, t0, what it saw)`.

    One that would end the integration there is passed over.
    """
    known = plan.system.events
    operands = take_apart(plan, whole)
    system, t0, y = plan.bind(operands.theta, settings), operands.t0, operands.y0
    first: list = [None] * known.number
    if not known.preset:
        return whole, tuple(first)
    # A zero with a derivative: a time on t0 may move inwards, and then the equation acts on the state before it first.
    late = jnp.sum(jnp.where(operands.tstops == t0, operands.tstops - lax.stop_gradient(operands.tstops), 0.0))
    time, y = t0 + late, _moved(system, t0, y, late)
    for i in known.preset:
        happens = jnp.any(settings.events.times[i] == t0) & ~known.terminal[i]
        first[i] = (happens, time, system.events.observe(i, time, y, plan.system.layout))
        new = system.events.affect(i, time, y)
        y = tuple(jnp.where(happens, a, b) for a, b in zip(new, y, strict=True))
    some = jnp.any(jnp.stack([first[i][0] for i in known.preset]))
    y = tuple(jnp.where(some, a, b) for a, b in zip(made_consistent(system, t0, y), y, strict=True))
    y = _moved(system, t0, y, -late)
    changed = put_together(plan, operands._replace(y0=y))
    return whole._replace(y0=changed.y0), tuple(first)


def _moved(system, t0, y, late):
    """The state after the equation has acted for the time `late`, which is zero but for its derivative."""
    if system.has_algebraic_equations or system.mass is not None:
        return y
    slopes = system.vector_field(t0, y)
    return tuple(leaf + f * late.astype(leaf.real.dtype) for leaf, f in zip(y, slopes, strict=True))


def with_first(log: Any, first: Any) -> tuple[Any, Any]:
    """The log with the trigger at the start in front, and how many that is."""
    if log is None or first is None:
        return log, 0
    happens, t0, seen = first
    put = lambda value, buffer: jnp.where(happens, jnp.concatenate([value[None], buffer[:-1]]), buffer)
    joined = Log(put(t0, log.ts), tuple(put(v, b) for v, b in zip(seen, log.ys, strict=True)))
    return joined, happens.astype(jnp.int32)
