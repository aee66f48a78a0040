"""A delay equation as an ordinary one: the vector field holds what its lookups read."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .past import Context, Past


class Known:
    """What lookups know when they are traced.

    Parameters
    ----------
    problem
        The delay problem.
    method, layout
        Whose dense output it is, and how the engine holds a state.
    """

    def __init__(self, problem: Any, method: Any, layout: Any):
        self.num_lags, self.neutral = len(problem.lags), problem.neutral
        self.takes_args = problem.history_takes_args
        self.method, self.layout = method, layout


class Lags(eqx.Module):
    """All lags as one function `(t, y, args) -> tuple of scalars`, in the dtype of time."""

    lags: tuple

    def __call__(self, t: Any, y: Any, args: Any) -> tuple:
        """The lags at a time."""
        t = jnp.asarray(t)
        values = [jnp.asarray(lag(t, y, args) if callable(lag) else lag) for lag in self.lags]
        for i, value in enumerate(values):
            if value.shape != () or not jnp.issubdtype(value.dtype, jnp.floating):
                msg = (
                    f"`lags[{i}](t, y, args)` must return a real scalar; got {value.dtype} of shape {value.shape}. "
                    "Return one number, for example `y[0]` instead of `y`."
                )
                raise ValueError(msg)
        return tuple(value.astype(t.dtype) for value in values)


class DelayField(eqx.Module):
    """`(t, y, args) -> f(t, y, past, args)`, where `past` reads the context."""

    # First, so that its arrays come first among the operands.
    context: Any
    vector_field: Callable
    history: Callable
    lags: Lags
    known: Any = eqx.field(static=True)

    def __call__(self, t: Any, y: Any, args: Any) -> Any:
        """The right-hand side."""
        known = self.known
        before = lambda s: self.history(s, args) if known.takes_args else self.history(s)
        context: Context = self.context
        past = Past(known, context, t, y, self.lags(t, y, args), before)
        return self.vector_field(t, y, past, args)


class UndelayedField(eqx.Module):
    """The same for an unknown past that is as large as the state: for shapes only."""

    vector_field: Callable

    def __call__(self, t: Any, y: Any, args: Any) -> Any:
        """The right-hand side with ones for the past."""
        past = lambda *_, **__: jax.tree_util.tree_map(jnp.ones_like, y)
        return self.vector_field(t, y, past, args)
