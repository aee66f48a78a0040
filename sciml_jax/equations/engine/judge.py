"""Whether a step is accepted, how long the next one is, and when to give up."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from ...core.status import Status
from ..controllers.pid import log_norm
from .norms import error_norm, largest_square
from .operands import Operands, Settings


def judge(
    plan: Any,
    operands: Operands,
    settings: Settings,
    state: Any,
    step: Any,
    ta: Any,
    tb: Any,
    lands: Any,
    outside: Sequence = (),
) -> tuple[Any, Any, Any, Any]:
    """Whether the step is accepted, the next size, the logarithm of the error norm, and the status.

    `outside` are distances of the result from the domains that it is to lie in; they count like errors.
    """
    healthy = jnp.array(True)
    if plan.controller_is_adaptive:
        controller = settings.controller
        order = (
            plan.method.error_order
            if step.error_order is None
            else lax.stop_gradient(step.error_order).astype(jnp.float32)
        )
        squared = lax.stop_gradient(error_norm(step.error, state.y, step.y1, settings.rtol, settings.atol))
        beyond = [lax.stop_gradient(largest_square(o, state.y, settings.rtol, settings.atol)) for o in outside]
        for violation in beyond:
            squared = jnp.maximum(squared, violation)
        # One value for all who ask: computed twice, in fusions that round differently, a tie would be judged both ways.
        squared = lax.optimization_barrier(squared)
        accepted = squared <= 1.0
        healthy = jnp.isfinite(squared)
        if step.unsolved is not None:
            accepted = accepted & ~step.unsolved
        log_error = log_norm(squared)
        factor = controller.factor(log_error, state.previous, state.before_previous, accepted, order).astype(
            state.h.dtype
        )
        if step.factor is not None:
            own = lax.stop_gradient(step.factor).astype(factor.dtype)
            factor = jnp.where(jnp.isnan(own), factor, own)
        for violation in beyond:
            # Its order is not that of the error: at most half the size.
            factor = jnp.where(violation > 1.0, jnp.minimum(factor, 0.5), factor)
        factor = jnp.where(healthy, factor, controller.factormin)
        # The size actually tried, where it was shortened to land on a target, says nothing about growth.
        tried = lax.stop_gradient(jnp.abs(tb - ta))
        shortened = accepted & lands
        if step.factor is not None:
            # A method that keeps its size keeps it to the last digit.
            tried = jnp.where(factor == 1.0, state.h, tried)
        next_h = jnp.where(shortened, jnp.maximum(state.h, tried * factor), tried * factor)
        next_h = jnp.minimum(jnp.where(accepted, jnp.maximum(next_h, settings.dtmin), next_h), settings.dtmax)
    else:
        for leaf in step.y1:
            healthy = healthy & jnp.all(jnp.isfinite(leaf))
        if step.unsolved is not None:
            healthy = healthy & ~step.unsolved
        accepted, next_h, log_error = healthy, state.h, state.previous
    # Only a rejected step can fail: either it cannot shrink any more, or (fixed steps) it may not.
    span = lax.stop_gradient(jnp.abs(operands.t1 - operands.t0))
    resolution = 4 * jnp.finfo(next_h.dtype).eps * jnp.abs(lax.stop_gradient(ta))
    smallest = jnp.maximum(resolution, 1e-30 * span)
    exhausted = ~accepted
    if plan.controller_is_adaptive:
        exhausted = ~accepted & ((next_h <= smallest) | (next_h < settings.dtmin))
    failure = jnp.where(healthy, jnp.int32(Status.STEP_TOO_SMALL), jnp.int32(Status.NON_FINITE))
    if step.unsolved is not None:
        failure = jnp.where(step.unsolved, jnp.int32(Status.SINGULAR), failure)
    return accepted, next_h, log_error, jnp.where(exhausted, failure, state.status)
