"""What every event is: when it triggers, what it changes, what is kept of it."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from ...core.callables import as_callable


class Trigger(eqx.Module):
    """An event in the form that the engine knows; one of `condition` and `times` decides when, or none.

    With `at_steps` the condition is looked at after every accepted step only, and triggers where it is true.
    `limit(t, y, args)` bounds the size of the step from there. `outside(t, y, args)`, a pytree like the state, says by
    how much each entry lies outside of its domain, 0 or more; a step that ends further outside than the tolerances is
    rejected.
    """

    condition: Callable | None = None
    times: Any = None
    at_steps: bool = eqx.field(static=True, default=False)
    affect: Callable | None = None
    observe: Callable | None = None
    limit: Callable | None = None
    outside: Callable | None = None
    terminal: bool = eqx.field(static=True, default=False)
    direction: int = eqx.field(static=True, default=0)
    root_rtol: Any = None
    max_triggers: int | None = eqx.field(static=True, default=None)

    def functions(self) -> tuple:
        """The user's functions in it."""
        return tuple(f for f in (self.condition, self.affect, self.observe, self.limit, self.outside) if f is not None)


class AbstractEvent(eqx.Module):
    """Something that happens while an equation is integrated: an element of `sj.solve(..., events=[...])`."""

    @abc.abstractmethod
    def as_trigger(self, problem: Any) -> Trigger:
        """The event in the engine's form, for this problem."""


def checked_affect(affect: Any) -> Callable | None:
    """An affect as a callable pytree."""
    return None if affect is None else as_callable(affect, "affect", "t", "y", "args")


def checked_observe(observe: Any) -> Callable | None:
    """What is kept per trigger, as a callable pytree."""
    return None if observe is None else as_callable(observe, "observe", "t", "y", "args")


def checked_count(value: Any, none_allowed: bool = True) -> int | None:
    """`max_triggers` as a positive integer, or None."""
    if value is None and none_allowed:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        msg = (
            "`max_triggers` must be a positive integer, the length of the log of triggers; got "
            f"{value!r}. Pass, for example, `max_triggers=100`."
        )
        raise ValueError(msg)
    return int(value)


def checked_bool(value: Any, name: str) -> bool:
    """A flag, which is part of the program."""
    if not isinstance(value, (bool, np.bool_)):
        msg = f"`{name}` must be True or False; got {value!r}. It is part of the program and cannot be traced."
        raise TypeError(msg)
    return bool(value)
