"""A path at any time."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from .loop import blank


class PiecewiseConstant(eqx.Module):
    """The states of a path and the times at which they begin; behind `sol(t)`."""

    t0: Array
    t_last: Array
    """Up to where the path is known."""
    times: Array
    """Times of the steps, shape (max_steps,); NaN beyond the last one."""
    y0: Any
    states: Any
    """The states from those times on, leading axis max_steps."""
    layout: Any = eqx.field(static=True)

    def evaluate(self, t: Any) -> PyTree:
        """The state after the last jump up to and including a time; blank outside of what was simulated."""
        t = jnp.asarray(t, self.times.dtype)
        keys = jnp.where(jnp.isnan(self.times), jnp.inf, self.times)
        count = jnp.searchsorted(keys, t, side="right")
        inside = (t >= self.t0) & (t <= self.t_last)
        row = jnp.maximum(count - 1, 0)
        parts = []
        for first, rest in zip(self.y0, self.states, strict=True):
            value = jnp.where(count > 0, rest[row], first)
            parts.append(jnp.where(inside, value, blank(value.shape, value.dtype)))
        return self.layout.merge(tuple(parts))
