"""What an accepted step leaves behind: values at the requested times and after every k-th step."""

from typing import Any

import jax.numpy as jnp
from jax import lax

from .operands import Operands, Settings


def time_to_save(plan: Any, operands: Operands, cursor: Any) -> Any:
    """The save time at a position; the last one beyond the end."""
    return operands.save_ts[jnp.minimum(cursor, plan.num_save - 1)]


def waits(plan: Any, operands: Operands, state: Any, cursor: Any) -> Any:
    """Whether the next save time lies within what has been integrated: it must be saved before the next step.

    A save time at t0 waits for the first step, whose interpolant carries its derivative.
    """
    direction = jnp.sign(operands.t1 - operands.t0)
    reached = direction * time_to_save(plan, operands, cursor) <= direction * state.t
    return (cursor < plan.num_save) & reached & (state.num_accepted > 0)


def save_one(plan: Any, operands: Operands, settings: Settings, state: Any, dense: Any, cursor: Any) -> tuple:
    """The value at a save time inside the last accepted step; NaN where that was not reached."""
    ta, _ = state.last
    value = sample(
        plan, plan.bind(operands.theta, settings), time_to_save(plan, operands, cursor), ta, state.t, state.y, dense
    )
    reached = waits(plan, operands, state, cursor)
    return tuple(jnp.where(reached, leaf, jnp.nan) for leaf in value)


def sample(plan: Any, system: Any, time: Any, ta: Any, tb: Any, y1: tuple, dense: Any) -> tuple:
    """The value to save at one time inside a step."""
    fraction = (time - ta) / (tb - ta)
    inside = plan.method.interpolate(dense, fraction)
    if plan.has_events:
        # On an event, to within its resolution, the state behind it is saved, which belongs to the next arc.
        slope = system.vector_field(tb, y1)
        ahead = tuple(end + f * (time - tb).astype(f.real.dtype) for end, f in zip(y1, slope, strict=True))
        at_end = jnp.abs(time - tb) <= system.time_resolution * jnp.abs(tb)
        y = tuple(jnp.where(at_end, end, leaf) for end, leaf in zip(ahead, inside, strict=True))
        return system.observe(time, y)
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


def write_masked(buffer: Any, value: Any, index: Any) -> Any:
    """The same by a select over all rows: for a batch whose lanes write to rows of their own, which is a scatter."""
    chosen = jnp.arange(buffer.shape[0]).reshape(-1, *(1 for _ in buffer.shape[1:])) == index
    return jnp.where(chosen, value.astype(buffer.dtype), buffer)
