"""Options of a solve as arrays: times, tolerances, step sizes and the times to step on."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ...core.checks import check_instance
from ...numerics.tabulated import interpolants
from ..events.abstract import AbstractEvent
from ..options import SMALLEST_RTOL, default_tolerances, time_dtype
from ..undifferentiated import guarded
from .events import EventSettings


def times(problem: Any, saveat: Any) -> tuple[Any, Any, Any]:
    """The ends of the interval and the save times, in the dtype of time."""
    dtype = time_dtype(problem)
    t0, t1 = (jnp.asarray(t, dtype) for t in (problem.t0, problem.t1))
    ts = jnp.zeros(0, dtype) if saveat.ts is None else saveat.ts.astype(dtype)
    return t0, t1, ts


def tolerances(rtol: Any, atol: Any, y0: Any, layout: Any) -> tuple[tuple, tuple, Any]:
    """Tolerances for every entry of the engine's state, and whether any is negative or NaN."""
    leaves, treedef = jax.tree_util.tree_flatten(y0)

    def spread(value, which):
        if value is None:
            value = [default_tolerances(leaf)[which] for leaf in leaves]
        elif jax.tree_util.treedef_is_leaf(jax.tree_util.tree_structure(value)):
            value = [value] * len(leaves)
        else:
            value = jax.tree_util.tree_leaves(value)
        reals = [jnp.asarray(v, jnp.finfo(leaf.dtype).dtype) for v, leaf in zip(value, leaves, strict=True)]
        if layout.components:
            reals = [jnp.broadcast_to(v, leaf.shape) for v, leaf in zip(reals, leaves, strict=True)]
        return reals

    bad = jnp.array(False)
    pair = []
    for value, which in ((rtol, 0), (atol, 1)):
        reals = spread(value, which)
        for real in reals:
            bad = bad | ~jnp.all(real >= 0)
        if which == 0:
            # No step could ever meet a tolerance below the rounding of the state; zero leaves control to atol alone.
            reals = [jnp.where(r > 0, jnp.maximum(r, SMALLEST_RTOL * jnp.finfo(r.dtype).eps), r) for r in reals]
        else:
            # An exactly zero error must not give 0/0 where atol and the state are zero; see `error_norm`.
            reals = [jnp.where(r >= 0, jnp.maximum(r, jnp.finfo(r.dtype).tiny), r) for r in reals]
        pair.append(layout.split(jax.tree_util.tree_unflatten(treedef, reals)))
    return *pair, bad


def step_sizes(controller: Any, dt0: Any, t0: Any) -> tuple[list, Any]:
    """First, smallest and largest step size as arrays, and whether a given one is not positive."""
    bad = jnp.array(False)
    sizes = []
    for value, default in (
        (dt0, 0.0),
        (getattr(controller, "dtmin", None), 0.0),
        (getattr(controller, "dtmax", None), jnp.inf),
    ):
        if value is not None:
            bad = bad | ~(jnp.asarray(value) > 0)
        sizes.append(jnp.asarray(default if value is None else value, t0.dtype))
    return sizes, bad


def as_triggers(events: Any, problem: Any) -> tuple:
    """The events of a solve in the engine's form."""
    events = [events] if isinstance(events, AbstractEvent) else events
    if not isinstance(events, (list, tuple)):
        msg = f"`events` must be a list of events such as `sj.Event(condition)`; got {events!r}. Pass a list."
        raise TypeError(msg)
    for event in events:
        check_instance(event, AbstractEvent, "events", "sj.Event(lambda t, y, args: y[0])")
    triggers = tuple(event.as_trigger(problem) for event in events)
    if getattr(problem, "diffusion", None) is None:
        return triggers
    return tuple(dataclasses.replace(trigger, times=guarded(trigger.times)) for trigger in triggers)


def event_settings(triggers: tuple, t0: Any) -> EventSettings:
    """The numbers of the events; a resolution is at least four roundings."""
    eps = jnp.finfo(t0.dtype).eps
    given = [x.root_rtol for x in triggers if x.condition is not None and not x.at_steps]
    rtol = [jnp.maximum(jnp.asarray(100 * eps if r is None else r, t0.dtype), 4 * eps) for r in given]
    times = tuple(None if x.times is None else jnp.asarray(x.times, t0.dtype) for x in triggers)
    return EventSettings(times, jnp.stack(rtol) if rtol else jnp.zeros(0, t0.dtype))


def stops(problem: Any, controller: Any, t0: Any, t1: Any, triggers: tuple = ()) -> tuple[Any, Any]:
    """The times to step on, sorted along the integration, and whether any of them is not finite.

    Those of the controller, the knots of every interpolant that the problem holds, and the times of events.
    """
    given = [jnp.asarray(trigger.times) for trigger in triggers if trigger.times is not None]
    given += [] if controller.tstops is None or controller.tstops.size == 0 else [controller.tstops]
    knots = [held.knots for held in interpolants(problem.vector_field, problem.args) if held.tstops]
    if not given and not knots:
        return None, jnp.array(False)
    joined = jnp.concatenate([jnp.asarray(times, t0.dtype) for times in (*given, *knots)])
    if given or len(knots) > 1:
        # The barrier keeps XLA from sorting a long constant table while compiling, which takes seconds.
        joined = jnp.sort(lax.optimization_barrier(joined))
        # Two that are equal move as one: the copy is put on t1, which is stepped on anyway, lest it be counted twice.
        copies = jnp.concatenate([jnp.zeros(1, bool), joined[1:] == joined[:-1]])
        joined = jnp.sort(jnp.where(copies, t1, joined))
    return jnp.where(t1 < t0, joined[::-1], joined), ~jnp.all(jnp.isfinite(joined))
