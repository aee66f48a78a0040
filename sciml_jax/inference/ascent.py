"""The search for a mode by L-BFGS, a compiled loop around Optax's steps."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Int

from .inference_status import InferenceStatus

STALLED_STEPS = 3
"""Steps in a row without progress after which a search ends; one may be a reset of the line search."""

SMALL_GRADIENT = 1e-4
"""Relative gradient under which a search that cannot progress counts as converged: the rest is rounding."""


class Ascent(NamedTuple):
    """Where a search ended."""

    position: Float[Array, " dim"]
    log_density: Float[Array, ""]
    gradient: Float[Array, " dim"]
    status: Int[Array, ""]
    num_steps: Int[Array, ""]


def ascend(
    log_density: Callable[[Array], Array],
    start: Float[Array, " dim"],
    *,
    max_steps: int,
    rtol: Any,
    gtol: Any,
) -> Ascent:
    """A local maximum of `log_density` from `start`; composes under `vmap` (lanes wait for the slowest).

    Ends when the largest entry of the gradient is below `gtol`, or when three steps in a row change the density
    by less than `rtol` of its size; the relative gradient then tells convergence from a stall.
    """
    solver = optax.lbfgs(memory_size=10, linesearch=optax.scale_by_zoom_linesearch(max_linesearch_steps=30))

    def objective(x):
        return -log_density(x)

    def unfinished(carry):
        _, _, gradient, _, idle, step, usable = carry
        return usable & (step < max_steps) & (idle < STALLED_STEPS) & (jnp.max(jnp.abs(gradient)) > gtol)

    def body(carry):
        x, value, gradient, state, idle, step, usable = carry
        updates, state = solver.update(gradient, state, x, value=value, grad=gradient, value_fn=objective)
        moved: Any = optax.apply_updates(x, updates)
        # What the line search found there: evaluating again would double the cost.
        new_value, new_gradient = optax.tree.get(state, "value"), optax.tree.get(state, "grad")
        better = jnp.isfinite(new_value) & (new_value <= value) & jnp.all(jnp.isfinite(new_gradient))
        progress = better & (value - new_value > rtol * jnp.maximum(1.0, jnp.abs(value)))
        x = jnp.where(better, moved, x)
        value, gradient = jnp.where(better, new_value, value), jnp.where(better, new_gradient, gradient)
        # From a step that failed, the search goes on along the gradient.
        state = jax.tree.map(lambda used, fresh: jnp.where(better, used, fresh), state, solver.init(x))
        return x, value, gradient, state, jnp.where(progress, 0, idle + 1), step + 1, usable

    value, gradient = jax.value_and_grad(objective)(start)
    usable = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
    zero = jnp.zeros((), jnp.int32)
    carry = (start, value, gradient, solver.init(start), zero, zero, usable)
    x, value, gradient, _, _, step, _ = lax.while_loop(unfinished, body, carry)
    relative = jnp.max(jnp.abs(gradient) * jnp.maximum(jnp.abs(x), 1.0)) / jnp.maximum(jnp.abs(value), 1.0)
    converged = (jnp.max(jnp.abs(gradient)) <= gtol) | ((step < max_steps) & (relative <= SMALL_GRADIENT))
    status = jnp.where(step >= max_steps, int(InferenceStatus.MAX_STEPS), int(InferenceStatus.STALLED))
    status = jnp.where(converged, int(InferenceStatus.CONVERGED), status)
    status = jnp.where(usable, status, int(InferenceStatus.NON_FINITE_START)).astype(jnp.int32)
    return Ascent(x, -value, gradient, status, step)
