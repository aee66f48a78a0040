"""Maximisation of a smooth function in a box by spectral projected gradients."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ..numerics.loops import while_loop

SUFFICIENT = 1e-4
"""Share of the expected gain that a step must bring (Armijo)."""
LARGEST = 1e10


class Maximised(NamedTuple):
    """Where a maximisation ended."""

    x: Any
    value: Any
    initial_value: Any
    converged: Any


class _State(NamedTuple):
    x: Any
    value: Any
    gradient: Any
    length: Any
    """Of the step along the gradient (Barzilai and Borwein)."""
    share: Any
    """Of that step that is tried next."""
    num_steps: Any
    is_done: Any
    converged: Any


def maximise(function: Callable, x: Array, lower: Array, upper: Array, num_steps: int) -> Maximised:
    """A local maximum within bounds, one evaluation with forward gradient per iteration; works under `vmap`.

    Parameters
    ----------
    function
        `x (N,) -> value`; steps to where it is not finite are shortened.
    x, lower, upper
        Start and finite bounds, shape (N,).
    num_steps
        Bound on the iterations.
    """
    width = upper - lower
    tolerance = jnp.sqrt(jnp.finfo(x.dtype).eps)

    def at(z):
        push = lambda tangent: jax.jvp(lambda z: function(lower + width * z), (z,), (tangent,))
        value, gradient = jax.vmap(push, out_axes=(None, 0))(jnp.eye(z.shape[0], dtype=z.dtype))
        return value, gradient

    def finish(state):
        move = jnp.clip(state.x + state.gradient, 0, 1) - state.x
        flat = jnp.max(jnp.abs(move)) <= tolerance
        return state._replace(converged=flat, is_done=state.is_done | flat)

    def improve(state):
        direction = jnp.clip(state.x + state.length * state.gradient, 0, 1) - state.x
        trial = state.x + state.share * direction
        value, gradient = at(trial)
        gain = jnp.dot(state.gradient, direction)
        finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
        accepted = finite & (value >= state.value + SUFFICIENT * state.share * gain)
        moved, turned = trial - state.x, state.gradient - gradient
        curvature = jnp.dot(moved, turned)
        length = jnp.where(curvature > 0, jnp.dot(moved, moved) / jnp.where(curvature > 0, curvature, 1), LARGEST)
        length = jnp.clip(length, 1 / LARGEST, LARGEST)
        pick = lambda new, old: jnp.where(accepted, new, old)
        share = jnp.where(accepted, 1.0, state.share / 2).astype(state.share.dtype)
        # As far as rounding allows: no shorter step gains anything.
        stuck = share < 1e-10
        new = _State(
            pick(trial, state.x), pick(value, state.value), pick(gradient, state.gradient),
            pick(length, state.length), share, state.num_steps + 1, state.is_done | stuck, state.converged,
        )  # fmt: skip
        return finish(new)

    z = (jnp.clip(x, lower, upper) - lower) / width
    value, gradient = at(z)
    start = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
    first = 0.1 / jnp.maximum(jnp.max(jnp.abs(gradient)), jnp.finfo(x.dtype).tiny)
    state = _State(z, value, gradient, first, jnp.ones_like(value), jnp.int32(0), ~start, jnp.array(False))
    going = lambda state: ~state.is_done & (state.num_steps < num_steps)
    state = while_loop(going, improve, finish(state), value, lower, upper)
    return Maximised(lower + width * state.x, state.value, value, state.converged)
