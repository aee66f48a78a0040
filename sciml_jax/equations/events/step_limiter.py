"""A bound on the size of steps that depends on the state."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from ...core.callables import as_callable
from ...core.tree import describe
from .abstract import AbstractEvent, Trigger


class StepLimiter(AbstractEvent):
    """Take no step from `(t, y)` longer than `limit(t, y, args)`, such as the one that a CFL condition allows.

    Parameters
    ----------
    limit
        `(t, y, args) -> h`, a positive real scalar in units of time, whatever the direction. Where it is zero, negative
        or NaN nothing is limited; infinity is no limit either.

    Raises
    ------
    TypeError, ValueError
        For what is not callable or does not return a real scalar.

    Notes
    -----
    Derivatives: none; sizes of steps are constants. Cost: one evaluation of `limit` per attempted step. With
    `sj.FixedStep()` the steps are `min(dt0, limit)`. A bound that does not change is `sj.PIDController(dtmax=...)`.
    `sol.events[i]` has no log and its count is zero.
    """

    limit: Callable

    def __init__(self, limit: Callable):
        self.limit = as_callable(limit, "limit", "t", "y", "args")

    def as_trigger(self, problem: Any) -> Trigger:
        """See `AbstractEvent`."""
        as_array = lambda *point: jnp.asarray(self.limit(*point))
        out = eqx.filter_eval_shape(as_array, jnp.asarray(problem.t0, float), problem.y0, problem.args)
        if out.shape != () or not jnp.issubdtype(out.dtype, jnp.floating):
            msg = (
                f"`limit(t, y, args)` must return a real scalar, the largest step from there; got {describe(out)}. "
                "Return one number, for example `jnp.min(...)`."
            )
            raise ValueError(msg)
        return Trigger(limit=self.limit, max_triggers=None)
