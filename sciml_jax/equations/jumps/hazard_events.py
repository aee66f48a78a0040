"""Events of an equation that carries its hazard along: the jumps, and the user's, which see the user's state."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ...core.checks import check_instance
from ..events import AbstractEvent, Event
from ..events.abstract import Trigger
from .hazard_parts import Observed, PartOfState

NOISY_RTOL = 1e-6
"""To which part of the time jumps are placed where the base has noise: far below the errors of its steps."""


class JumpEvent(AbstractEvent):
    """The event of a jump; below noise it is placed less exactly, which saves steps."""

    event: Event

    def as_trigger(self, problem: Any) -> Trigger:
        """See `AbstractEvent`."""
        trigger = self.event.as_trigger(problem)
        is_noisy = getattr(problem, "diffusion", None) is not None
        return dataclasses.replace(trigger, root_rtol=NOISY_RTOL) if is_noisy else trigger


class OfUser(AbstractEvent):
    """An event of the user's as one of the extended state."""

    event: AbstractEvent
    base: Any
    """The user's problem between jumps."""

    def as_trigger(self, problem: Any) -> Trigger:
        """See `AbstractEvent`."""
        del problem
        trigger = self.event.as_trigger(self.base)
        seen = lambda function: None if function is None else Observed(function)
        needs_state = trigger.max_triggers is not None and trigger.observe is None
        return dataclasses.replace(
            trigger,
            condition=seen(trigger.condition),
            affect=None if trigger.affect is None else _Affect(trigger.affect),
            observe=PartOfState() if needs_state else seen(trigger.observe),
            limit=seen(trigger.limit),
            outside=None if trigger.outside is None else _Outside(trigger.outside),
        )


class _Affect(eqx.Module):
    """What an event of the user's changes: nothing of the hazard."""

    function: Callable

    def __call__(self, t: Any, state: Any, args: Any) -> Any:
        out = self.function(t, state["y"], args)
        structure = jax.tree_util.tree_structure
        if structure(out) != structure(state["y"]) and isinstance(out, tuple) and len(out) == 2:
            return {**state, "y": out[0]}, out[1]
        return {**state, "y": out}


class _Outside(eqx.Module):
    """By how much the state lies outside of its domain."""

    function: Callable

    def __call__(self, t: Any, state: Any, args: Any) -> PyTree:
        nothing = jnp.zeros_like(state["count"])
        return {"count": nothing, "left": nothing, "y": self.function(t, state["y"], args)}


def events_of_user(events: Any, base: Any) -> list:
    """The user's events on the extended state."""
    events = [events] if isinstance(events, AbstractEvent) else events
    if not isinstance(events, (list, tuple)):
        msg = f"`events` must be a list of events such as `sj.Event(condition)`; got {events!r}. Pass a list."
        raise TypeError(msg)
    for event in events:
        check_instance(event, AbstractEvent, "events", "sj.Event(lambda t, y, args: y[0])")
    return [OfUser(event, base) for event in events]
