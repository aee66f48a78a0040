"""The forms of an initial guess, all as functions of time."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ...core.callables import as_callable
from ...core.checks import check_finite_tree, check_inexact_tree
from ...core.tree import describe, is_concrete


class ConstantGuess(eqx.Module):
    """The same state at all times."""

    y: PyTree

    def __call__(self, t: Any) -> PyTree:
        """The state."""
        return self.y


class TabulatedGuess(eqx.Module):
    """Linear interpolation between states at given times, constant beyond the first and the last of them."""

    ts: Float[Array, " time"]
    """In either direction."""
    ys: PyTree
    """Leaves (time, ...)."""

    def __call__(self, t: Any) -> PyTree:
        """The state at one time."""
        order = jnp.argsort(self.ts)
        ts = self.ts[order]
        right = jnp.clip(jnp.searchsorted(ts, t), 1, ts.shape[0] - 1)
        width = ts[right] - ts[right - 1]
        weight = jnp.clip((t - ts[right - 1]) / jnp.where(width == 0, 1, width), 0, 1)
        blend = lambda leaf: leaf[order[right - 1]] * (1 - weight) + leaf[order[right]] * weight
        return jax.tree_util.tree_map(lambda leaf: blend(leaf).astype(leaf.dtype), self.ys)


def as_guess(y_guess: Any, t0: Any) -> Any:
    """Turn a state, a function of time or a pair (times, states) into a callable pytree; refuse anything else."""
    if type(y_guess) is tuple and len(y_guess) == 2:
        guess: Any = _tabulated(*y_guess)
    elif callable(y_guess):
        guess = as_callable(y_guess, "y_guess", "t")
    else:
        check_inexact_tree(y_guess, "y_guess")
        check_finite_tree(y_guess, "y_guess")
        guess = ConstantGuess(jax.tree_util.tree_map(jnp.asarray, y_guess))
    shape = jax.eval_shape(guess, jnp.asarray(t0))
    check_inexact_tree(shape, "y_guess")
    for leaf in jax.tree_util.tree_leaves(shape):
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            msg = (
                f"The state of a boundary value problem must be real; got a guess of {leaf.dtype}. "
                "Split it into real and imaginary parts."
            )
            raise TypeError(msg)
    return guess


def _tabulated(ts: Any, ys: Any) -> TabulatedGuess:
    rule = "A pair `(ts, ys)` as `y_guess` must hold times of shape (T,), T at least 2, and states with leaves (T, ...)"
    fix = "A state that is itself a pair is passed as a function of time: `y_guess=lambda t: (q, p)`."
    shape = np.shape(ts) if not isinstance(ts, (dict, str)) and not callable(ts) else None
    if shape is None or len(shape) != 1 or shape[0] < 2:
        msg = f"{rule}; got {describe(ts)} as times. {fix}"
        raise ValueError(msg)
    check_inexact_tree(ys, "y_guess")
    for leaf in jax.tree_util.tree_leaves(ys):
        if np.shape(leaf)[:1] != shape:
            msg = f"{rule}; got {describe(ys)} for {shape[0]} times. {fix}"
            raise ValueError(msg)
    ts = jnp.asarray(ts)
    ts = ts if jnp.issubdtype(ts.dtype, jnp.floating) else ts.astype(float)
    check_finite_tree((ts, ys), "y_guess")
    if is_concrete(ts):
        rises = np.diff(np.asarray(ts))
        if not (np.all(rises > 0) or np.all(rises < 0)):
            msg = f"{rule}, the times increasing or decreasing; got {ts}. Sort them, and drop what is there twice."
            raise ValueError(msg)
    return TabulatedGuess(ts, jax.tree_util.tree_map(jnp.asarray, ys))
