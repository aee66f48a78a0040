"""The arrays that go into an integration, in the groups that derivatives treat differently."""

from typing import Any, NamedTuple

import jax.numpy as jnp


class Operands(NamedTuple):
    """What derivatives are taken with respect to; every leaf is a float or complex array."""

    y0: tuple
    """Initial state, as a tuple of leaves or components."""
    t0: Any
    t1: Any
    theta: tuple
    """All inexact arrays that the vector field and the saved function use: arguments, modules' arrays, closures."""
    save_ts: Any
    """Times to save at, shape (K,)."""
    tstops: Any
    """Times to step on exactly, shape (S,), sorted along the integration; or None."""


class Settings(NamedTuple):
    """What is never differentiated: tolerances, step bounds and operands that are not inexact."""

    consts: tuple
    """Integer, boolean and key arrays that the vector field uses."""
    rtol: tuple
    """Relative tolerances, one per leaf of the state."""
    atol: tuple
    """Absolute tolerances, one per leaf of the state."""
    dt0: Any
    """Size of the first step; NaN asks for the automatic one."""
    dtmin: Any
    dtmax: Any
    controller: Any
    """The controller, with its gains as arrays."""
    bad_input: Any
    """Whether an invalid value was found while tracing."""
    events: Any = None
    """The numbers of the events (`EventSettings`), or None."""


def begins_anew(plan: Any, operands: Operands, row: Any) -> Any:
    """Whether the memory of a method begins anew with a recorded step: behind a stop, an event or a breaking point."""
    if not plan.restarts:
        return False
    anew = jnp.array(False)
    if operands.tstops is not None:
        anew = anew | jnp.any(is_stop(operands, row.ta))
    if row.delays is not None:
        anew = anew | (row.delays.is_new > 0)
    return anew if row.events is None else anew | (row.events.is_new > 0)


def is_stop(operands: Operands, time: Any) -> Any:
    """Which stops a step's end sits on; a stop on t0 or t1 is not one."""
    stops = operands.tstops
    return (stops == time) & (stops != operands.t0) & (stops != operands.t1)
