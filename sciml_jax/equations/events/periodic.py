"""An event at equal intervals of time."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...core.checks import check_positive, check_scalar
from ...core.tree import is_concrete
from .abstract import AbstractEvent, Trigger, checked_affect, checked_bool, checked_count, checked_observe


class Periodic(AbstractEvent):
    """Change the state every `period`: repeated doses, a sampled controller, a kicked rotor.

    Happens at `start + k period`, k = 0, 1, ..., in the direction of integration, `t1` included. Steps end on these
    times exactly, so nothing is searched for. Derivatives with respect to `period` and `start` are included.

    Parameters
    ----------
    period
        Time between two of them, positive whatever the direction.
    affect
        `(t, y, args) -> y` or `-> (y, args)`, as for `sj.Event`. None only keeps the state.
    start
        When it happens first; by default one period after `t0`. `start=t0` changes the initial state too.
    terminal
        Whether the integration ends at the first of them.
    observe
        `(t, y, args) -> value`, kept in the log in place of the state.
    max_triggers
        Length of the log. One trigger more ends the solve with the status `ZENO`. None counts them, which needs numbers
        for `t0`, `t1`, `period` and `start`; where one of them is traced (under `jit`, `vmap`, `grad`), a bound must be
        given, so that the log has a length.

    Raises
    ------
    ValueError
        If `period` is not positive, or the number of triggers cannot be known and `max_triggers` is None.

    Notes
    -----
    As for `sj.PresetTimes`, a save time that coincides with one of them stores the state after the change. A time that
    misses `t1` by rounding only is put on it.
    """

    period: Any
    affect: Callable | None
    start: Any
    terminal: bool = eqx.field(static=True)
    observe: Callable | None
    max_triggers: int | None = eqx.field(static=True)

    def __init__(
        self,
        period: Any,
        affect: Callable | None = None,
        *,
        start: Any = None,
        terminal: bool = False,
        observe: Callable | None = None,
        max_triggers: int | None = None,
    ):
        check_positive(period, "period")
        if start is not None:
            check_scalar(start, "start")
        self.period = period
        self.affect = checked_affect(affect)
        self.start = start
        self.terminal = checked_bool(terminal, "terminal")
        self.observe = checked_observe(observe)
        self.max_triggers = checked_count(max_triggers)

    def as_trigger(self, problem: Any) -> Trigger:
        """See `AbstractEvent`."""
        times = _times(problem.t0, problem.t1, self.period, self.start, self.max_triggers)
        return Trigger(
            times=times,
            affect=self.affect,
            observe=self.observe,
            terminal=self.terminal,
            max_triggers=self.max_triggers or int(times.shape[0]),
        )


def _times(t0: Any, t1: Any, period: Any, start: Any, limit: int | None) -> Any:
    """The times from `start` on: those up to `t1` where that can be counted, else one more than `limit`."""
    if is_concrete((t0, t1, period, start)):
        t0, t1, period = (np.asarray(value, float) for value in (t0, t1, period))
        direction = np.sign(t1 - t0)
        first = t0 + direction * period if start is None else np.asarray(start, float)
        fitting = int(np.floor(direction * (t1 - first) / period * (1 + 1e-12))) + 1
        count = max(1, fitting if limit is None else min(fitting, limit + 1))
        return _on_the_end(first + direction * period * np.arange(count), t0, t1)
    if limit is None:
        msg = (
            "`Periodic` counts its triggers from t0, t1, period and start, which must be numbers; got a traced value. "
            "Pass `max_triggers`, the largest number of them, for example `max_triggers=100`."
        )
        raise ValueError(msg)
    t0, t1, period = jnp.asarray(t0), jnp.asarray(t1), jnp.asarray(period)
    direction = lax.stop_gradient(jnp.sign(t1 - t0))
    first = t0 + direction * period if start is None else start
    # One more than the log has room for, so that what does not fit shows as a status.
    return _on_the_end(first + direction * period * jnp.arange(limit + 1), *lax.stop_gradient((t0, t1)))


def _on_the_end(times: Any, t0: Any, t1: Any) -> Any:
    """The same times, one that misses `t1` by rounding moved on it (by value, not by derivative)."""
    slack = 4 * jnp.finfo(times.dtype).eps * (abs(t0) + abs(t1))
    if isinstance(times, np.ndarray):
        return np.where(np.abs(times - t1) <= slack, t1, times)
    frozen = lax.stop_gradient(times)
    return times + jnp.where(jnp.abs(frozen - t1) <= slack, t1 - frozen, 0.0)
