"""Where an attempted step is to end: at the proposed size, or on a stop, an event or a breaking point."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from ...numerics.search import count_passed
from .operands import Operands


class Aim(NamedTuple):
    """The end of an attempt."""

    h: Any
    """The size proposed for it (positive)."""
    tb: Any
    lands: Any
    """Whether the end is a time to step on."""
    is_end: Any
    """Whether that time is the end of the integration."""
    is_short: Any
    """Whether it was shortened, so that its size says nothing about growth."""
    ahead: Any
    """What delays have found ahead; or None."""


def aim(plan: Any, operands: Operands, system: Any, state: Any) -> Aim:
    """The end of the next attempt."""
    direction = jnp.sign(lax.stop_gradient(operands.t1 - operands.t0))
    target, is_end = _next_stop(operands, state)
    h, ta = state.h, state.t
    remaining = direction * lax.stop_gradient(target - ta)
    if plan.has_events and plan.system.events.has_limits:
        h = lax.stop_gradient(system.events.limited(ta, state.y, h))
        # Not stretched, but two equal ones.
        h = jnp.where((h < remaining) & (1.01 * h >= remaining), remaining / 2, h)
    # A step that would leave a sliver of less than a hundredth is stretched to end on the target exactly.
    lands = 1.01 * h >= remaining
    tb = jnp.where(lands, target, ta + direction * h)
    if plan.has_events:
        # An earlier attempt has found an event on the way.
        aims = ~jnp.isnan(state.events.target)
        tb = jnp.where(aims, state.events.target, tb)
        lands, is_end = lands | aims, is_end & (tb == target)
    if plan.delays is None:
        return Aim(h, tb, lands, is_end, lands, None)
    ahead = plan.delays.look_ahead(plan, system, state, h, target, is_end)
    return Aim(h, ahead.tb, ahead.lands, ahead.is_end, ahead.is_short, ahead)


def _next_stop(operands: Operands, state: Any) -> tuple[Any, Any]:
    """The next time to step on exactly, and whether it is the end."""
    if operands.tstops is None:
        return operands.t1, jnp.array(True)
    # Stops come sorted; those behind t0 or beyond t1 are passed over.
    num_stops = operands.tstops.shape[0]
    direction = jnp.sign(operands.t1 - operands.t0)
    index = count_passed(operands.tstops, state.t, direction)
    stop = operands.tstops[jnp.minimum(index, num_stops - 1)]
    is_end = (index >= num_stops) | (direction * stop >= direction * operands.t1)
    return jnp.where(is_end, operands.t1, stop), is_end
