"""Why a solve with delays failed: what a lookup did that is not allowed."""

from typing import Any

import jax
import jax.numpy as jnp

from ...core.status import Status
from .past import FUTURE, NEVER, UNDECLARED


def diagnosed(plan: Any, operands: Any, settings: Any, state: Any, status: Any) -> Any:
    """The status of an integration that may have failed because of a lookup.

    The vector field is evaluated where the integration stopped and just behind, with the state for the whole past, and
    with NaN for lookups of one kind alone.
    """
    failed = (status == Status.NON_FINITE) | (status == Status.STEP_TOO_SMALL)
    system = plan.bind(operands.theta, settings)
    zero = jnp.zeros_like(state.t)
    context = plan.system.empty_context()
    windows = tuple(window._replace(is_before=zero, is_own=zero + 1) for window in context.windows)
    context = context._replace(windows=windows, anchor=state.y, own_start=state.t, start=operands.t0)
    behind = jnp.sqrt(jnp.finfo(zero.dtype).eps) * (operands.t1 - operands.t0)

    def is_finite(mode):
        fine = jnp.array(True)
        seen = system.with_past(context._replace(mode=mode))
        for t in (state.t, state.t + behind):
            for leaf in seen.vector_field(t, state.y):
                fine = fine & jnp.all(jnp.isfinite(leaf))
        return fine

    healthy, declared, known = jax.vmap(is_finite)(jnp.asarray([NEVER, UNDECLARED, FUTURE], zero.dtype))
    ahead = failed & healthy & ~known
    for lag in system.lags(state.t, state.y):
        ahead = ahead | (failed & (lag < 0))
    status = jnp.where(failed & healthy & ~declared, jnp.int32(Status.UNDECLARED_LAG), status)
    return jnp.where(ahead, jnp.int32(Status.NEGATIVE_LAG), status)
