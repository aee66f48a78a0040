"""Checks of the networks and of the data that models are called with."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..core.checks import check_scalar
from ..core.tree import describe, is_concrete


def check_network(net: Any, name: str, call: str) -> None:
    """Refuse what cannot be called; `call` shows how it is."""
    if isinstance(net, type) or not callable(net):
        got = f"the class `{net.__name__}`" if isinstance(net, type) else f"{type(net).__name__}"
        msg = (
            f"`{name}` must be callable as `{call}`; got {got}. Pass a network such as "
            "`eqx.nn.MLP(2, 2, 64, 2, activation=jnp.tanh, key=jax.random.key(0))`."
        )
        raise TypeError(msg)


def check_output(function: Callable, arguments: tuple, expected: PyTree, name: str, rule: str) -> None:
    """Refuse a network whose output, for these arguments, has not the structure and shapes of `expected`."""
    try:
        out = jax.eval_shape(function, *arguments)
    except (TypeError, ValueError, IndexError) as error:
        msg = (
            f"`{name}` must take {_described(arguments)} and return {rule}; calling it failed: {error}. Check the "
            "input width of the network, and whether it takes the time (`time=True`)."
        )
        raise ValueError(msg) from error
    trees = [jax.tree_util.tree_structure(tree) for tree in (out, expected)]
    shapes = [[jnp.shape(leaf) for leaf in jax.tree_util.tree_leaves(tree)] for tree in (out, expected)]
    if trees[0] != trees[1] or shapes[0] != shapes[1]:
        msg = (
            f"`{name}` must return {rule}, {describe(expected)}, for {_described(arguments)}; got {describe(out)}. "
            "Give the network that output width."
        )
        raise ValueError(msg)


def _described(arguments: tuple) -> str:
    return ", ".join(describe(argument) for argument in arguments)


def as_times(ts: Any, *, forward: bool = False) -> Any:
    """Times of a call: a vector of at least two floats; with `forward`, increasing where they are concrete."""
    ts = jnp.asarray(ts)
    real = jnp.issubdtype(ts.dtype, jnp.floating) or jnp.issubdtype(ts.dtype, jnp.integer)
    if ts.ndim != 1 or ts.shape[0] < 2 or not real:
        msg = (
            "`ts` must be a one-dimensional array of at least two times, the first one that of the initial state; got "
            f"{describe(ts)}. Pass, for example, `jnp.linspace(0.0, 1.0, 11)`, and map over batches with `jax.vmap`."
        )
        raise ValueError(msg)
    ts = ts.astype(float) if jnp.issubdtype(ts.dtype, jnp.integer) else ts
    if is_concrete(ts):
        _check_order(np.asarray(ts), forward)
    return ts


def _check_order(ts: np.ndarray, forward: bool) -> None:
    if not np.all(np.isfinite(ts)):
        msg = f"`ts` must be finite; got {int(np.sum(~np.isfinite(ts)))} of {ts.size} times that are not. Drop them."
        raise ValueError(msg)
    steps = np.diff(ts)
    if np.all(steps >= 0) and ts[-1] > ts[0]:
        return
    if forward or not (np.all(steps <= 0) and ts[-1] < ts[0]):
        rule = "must be increasing" if forward else "must be increasing (or decreasing, to integrate backwards)"
        wrong = int(np.argmax(steps * np.sign(ts[-1] - ts[0] or 1.0) < 0)) if not forward else int(np.argmax(steps < 0))
        msg = (
            f"`ts` {rule}; got ts[{wrong}] = {ts[wrong]:g} before ts[{wrong + 1}] = {ts[wrong + 1]:g}. Sort the times "
            "together with the data."
        )
        raise ValueError(msg)


def as_count(value: Any, name: str, least: int = 1) -> int:
    """A Python integer that is at least `least`."""
    check_scalar(value, name)
    if int(value) != value or int(value) < least:
        msg = (
            f"`{name}` must be an integer of at least {least}; got {value!r}. Pass, for example, "
            f"`{name}={max(least, 1)}`."
        )
        raise ValueError(msg)
    return int(value)


def as_vector(y: Any, name: str) -> Any:
    """An array (n,) of floats."""
    y = jnp.asarray(y)
    if y.ndim != 1 or not jnp.issubdtype(y.dtype, jnp.floating):
        msg = f"`{name}` must be a vector of floats, shape (n,); got {describe(y)}. Map over batches with `jax.vmap`."
        raise ValueError(msg)
    return y
