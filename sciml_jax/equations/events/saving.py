"""Further quantities kept along a solution."""

from collections.abc import Callable
from typing import Any

import equinox as eqx

from ...core.callables import as_callable
from .abstract import AbstractEvent, Trigger, checked_count
from .manifold_projection import Always
from .preset_times import PresetTimes


class Saving(AbstractEvent):
    """Keep `fn(t, y, args)` after every step, or at given times, beside what `saveat` keeps.

    Parameters
    ----------
    fn
        `(t, y, args) -> value`: any pytree of float arrays.
    times
        Shape (K,), in any order; those outside of [t0, t1] are passed over. None: after every accepted step.
    max_saves
        Length of the log where `times` is None. One step more ends the solve with the status `ZENO`.

    Raises
    ------
    TypeError, ValueError
        For what is not callable, `times` that are not a vector, a `max_saves` that is not a positive integer.

    Notes
    -----
    `sol.events[i].ts` and `.ys` hold times and values, padded with NaN. Differentiable.

    For one quantity in place of the state `sj.SaveAt(ts=..., fn=...)` is cheaper: it reads the dense output, while the
    `times` given here are stepped on. This class is for several quantities with times of their own, and for values at
    steps together with states at times. The integration is not interrupted for it where `times` is None.

    Cost: one evaluation of `fn` per value; memory `max_saves` values.
    """

    fn: Callable
    times: Any
    max_saves: int = eqx.field(static=True)

    def __init__(self, fn: Callable, times: Any = None, *, max_saves: int = 4096):
        self.fn = as_callable(fn, "fn", "t", "y", "args")
        self.times = None if times is None else PresetTimes(times).times
        self.max_saves = checked_count(max_saves, none_allowed=False) or 0

    def as_trigger(self, problem: Any) -> Trigger:
        """See `AbstractEvent`."""
        if self.times is not None:
            return PresetTimes(self.times, observe=self.fn).as_trigger(problem)
        return Trigger(condition=Always(), at_steps=True, observe=self.fn, max_triggers=self.max_saves)
