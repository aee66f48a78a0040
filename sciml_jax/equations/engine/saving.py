"""What an accepted step leaves behind: values at the requested times and after every k-th step."""

from typing import Any

import jax.numpy as jnp
from jax import lax

from ...numerics.loops import while_loop
from .operands import Operands


def save_times(
    plan: Any, system: Any, operands: Operands, state: Any, step: Any, ta: Any, tb: Any, accepted: Any
) -> tuple[tuple, Any]:
    """Save at every requested time inside an accepted step, in a small loop of its own."""
    if plan.num_save == 0:
        return state.saved, state.cursor
    direction = jnp.sign(operands.t1 - operands.t0)
    end = jnp.where(accepted, direction * tb, -jnp.inf)

    def pending(carry):
        cursor, _ = carry
        time = operands.save_ts[jnp.minimum(cursor, plan.num_save - 1)]
        return (cursor < plan.num_save) & (direction * time <= end)

    def save(carry):
        cursor, saved = carry
        time = operands.save_ts[jnp.minimum(cursor, plan.num_save - 1)]
        value = sample(plan, system, time, ta, tb, step.y1, step.dense)
        return cursor + 1, tuple(write(buffer, leaf, cursor) for buffer, leaf in zip(saved, value, strict=True))

    cursor, saved = while_loop(pending, save, (state.cursor, state.saved), operands, step, ta, tb)
    return saved, cursor


def sample(plan: Any, system: Any, time: Any, ta: Any, tb: Any, y1: tuple, dense: Any) -> tuple:
    """The value to save at one time inside a step."""
    fraction = (time - ta) / (tb - ta)
    inside = plan.method.interpolate(dense, fraction)
    # The interpolant meets the end of the step only to rounding, so the end's value is taken there; its derivative
    # stays the interpolant's, which alone depends on the save time.
    y = tuple(
        leaf + jnp.where(time == tb, lax.stop_gradient(end - leaf), 0) for end, leaf in zip(y1, inside, strict=True)
    )
    return system.observe(time, y)


def save_step(plan: Any, system: Any, state: Any, step: Any, tb: Any, accepted: Any) -> tuple:
    """Save after every k-th accepted step."""
    if plan.save_every is None:
        return state.stepped
    count = state.num_accepted + 1
    keep = accepted & (count % plan.save_every == 0)
    row = jnp.where(keep, count // plan.save_every - 1, 0)
    value = (*system.observe(tb, step.y1), tb)
    return tuple(
        write(buffer, jnp.where(keep, leaf, buffer[row]), row)
        for buffer, leaf in zip(state.stepped, value, strict=True)
    )


def write(buffer: Any, value: Any, index: Any) -> Any:
    """Put a value into row `index` of a buffer."""
    return lax.dynamic_update_index_in_dim(buffer, value.astype(buffer.dtype), index, 0)
