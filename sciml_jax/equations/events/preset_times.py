"""An event at given times, such as doses."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from .abstract import AbstractEvent, Trigger, checked_affect, checked_bool, checked_observe


class PresetTimes(AbstractEvent):
    """Change the state at given times: doses, switches, impulses.

    Steps end on the times exactly, so nothing is searched for. Derivatives with respect to the times are included. A
    save time that coincides with one of them stores the state after the change; `t0` and `t1` count as well.

    Parameters
    ----------
    times
        Shape (K,), in any order; those outside of [t0, t1] are passed over. Distinct.
    affect
        `(t, y, args) -> y` or `-> (y, args)`, as for `sj.Event`. None only keeps the state.
    terminal
        Whether the integration ends at the first of them.
    observe
        `(t, y, args) -> value`, kept in the log in place of the state.

    Raises
    ------
    ValueError
        If `times` is not one-dimensional or empty.

    Notes
    -----
    `sol.events[i].ts` holds the times that were reached, in the direction of integration.
    """

    times: Any
    affect: Callable | None
    observe: Callable | None
    terminal: bool = eqx.field(static=True)

    def __init__(
        self,
        times: Any,
        affect: Callable | None = None,
        *,
        terminal: bool = False,
        observe: Callable | None = None,
    ):
        times = jnp.asarray(times)
        if times.ndim != 1 or times.shape[0] == 0:
            msg = f"`times` must be a one-dimensional array of at least one time; got shape {times.shape}."
            raise ValueError(msg)
        self.times = times.astype(float) if jnp.issubdtype(times.dtype, jnp.integer) else times
        self.affect = checked_affect(affect)
        self.observe = checked_observe(observe)
        self.terminal = checked_bool(terminal, "terminal")

    def as_trigger(self, problem: Any) -> Trigger:
        """See `AbstractEvent`."""
        del problem
        return Trigger(
            times=self.times,
            affect=self.affect,
            observe=self.observe,
            terminal=self.terminal,
            max_triggers=int(self.times.shape[0]),
        )
