"""Events of equations with noise: crossings seen at the ends of steps, located on the path by bisection.

Between its ends a step knows nothing of the path, so its dense output (a straight line) is not searched. A step that
ends behind a crossing is taken again on the same path with its end in the middle, and so on: what is bisected is the
solution itself, a continuous function of the end of the step.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .event_change import Verdict, given
from .event_search import first_side, is_allowed
from .operands import Operands, Settings

FINEST = 2.0**-32
"""Parts of the interval to which times are located in double precision. The path moves by 1.5e-5 in it, times the root
of the interval."""

FINEST_SINGLE = 2.0**-20
"""The same in single precision."""


def look_at_end(plan: Any, operands: Operands, settings: Settings, state: Any, system: Any, tb: Any, step: Any):
    """Which events happen at the end of the attempted step, and whether to end it earlier; see `event_change.look`."""
    now, known, ta = state.events, plan.system.events, state.t
    due = given(known, settings, step, system, tb)
    if not known.searched:
        false, none = jnp.array(False), now.sides
        return Verdict(false, tb, none > 0, jnp.stack(due), none, none, none, false, now.bracket)
    before, after = system.events.conditions(ta, state.y), system.events.conditions(tb, step.y1)
    resolution = _resolution(operands, settings, ta, tb)
    fine = resolution / jnp.abs(tb - ta)
    first = first_side(before, after - before, known, now.sides, state.num_accepted == 0, fine)
    side = jnp.where(now.is_new, first, now.sides)
    turned = (side != 0) & (side * after <= 0)
    crosses = turned & is_allowed(known, side)
    retake, target, aims, bracket = _close_in(now, ta, tb, crosses, resolution)
    hit = crosses & ~retake
    decides = (jnp.arange(len(known.searched)) == jnp.argmax(hit)) & hit & _is_smooth(known, system, tb, step.y1)
    decides = decides & ~((tb == operands.t1) | jnp.any(jnp.stack(due)))
    place = {i: k for k, i in enumerate(known.searched)}
    happens = jnp.stack([hit[place[i]] if i in place else due[i] & ~retake for i in range(known.number)])
    behind = jnp.asarray(np.where(known.direction >= 0, 1.0, -1.0), tb.dtype) * hit
    ended = jnp.sign(after)
    sides = jnp.where(ended == 0, jnp.where(turned, -side, side), ended)
    is_lost = ~jnp.all(jnp.isfinite(before) & jnp.isfinite(after))
    decides = decides.astype(tb.dtype)
    return Verdict(retake & ~is_lost, target, aims, happens, decides, sides, behind, is_lost, bracket)


def _close_in(now, ta, tb, crosses, resolution):
    """Whether to take the step again, its end then, on account of which conditions, and the bracket."""
    some = jnp.any(crosses)
    low, high = now.bracket
    low = jnp.where(jnp.isnan(low), ta, low)
    # Behind a crossing the bracket ends here, in front of one that was seen before it begins here.
    low, high = jnp.where(some, low, tb), jnp.where(some, tb, high)
    aims = jnp.where(some, crosses, now.aims)
    is_narrow = jnp.abs(high - low) <= jnp.min(jnp.where(aims, resolution, jnp.inf))
    retake = jnp.where(some, ~is_narrow, ~jnp.isnan(high))
    return retake, jnp.where(is_narrow, high, low + 0.5 * (high - low)), aims, (low, high)


def _resolution(operands, settings, ta, tb):
    """Distances of times that are one, shape (crossings,)."""
    finest = FINEST if jnp.result_type(tb).itemsize >= 8 else FINEST_SINGLE
    least = finest * jnp.abs(operands.t1 - operands.t0)
    return jnp.maximum(settings.events.rtol * jnp.maximum(jnp.abs(ta), jnp.abs(tb)), least)


def _is_smooth(known, system, t, y):
    """Which real conditions are not moved by the noise, shape (crossings,): their times have derivatives."""
    # No motion cancels another one in weights without a pattern.
    rates = jax.jvp(lambda y: system.events.conditions(t, y), (y,), (system.noise.example(t, y),))[1]
    return (rates == 0) & ~jnp.asarray(known.is_boolean)
