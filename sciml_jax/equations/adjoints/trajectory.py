"""The forward solution as a function of time: the interpolants of all its steps."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ...numerics.search import count_passed


class Trajectory(NamedTuple):
    """What `at` needs; row i belongs to the i-th accepted step."""

    keys: Any
    """Ends of the steps along the integration, increasing; infinite for rows not in use."""
    ends: Any
    """Beginning and end of each step, shape (max_steps, 2)."""
    last: Any
    """Index of the last step."""
    direction: Any
    pieces: Any
    """Each step's data for the method's interpolant."""


def as_trajectory(outputs: Any, info: tuple, direction: Any) -> Trajectory:
    """The interpolants that an integration with `plan.dense` has left in its results."""
    num_accepted, ends = info[3], info[6]
    count = num_accepted.astype(jnp.int32)
    used = jnp.arange(ends.shape[0], dtype=jnp.int32) < count
    keys = jnp.where(used, direction * ends[:, 1], jnp.inf)
    return Trajectory(keys, ends, jnp.maximum(count - 1, 0), direction, outputs.pieces)


def state_at(method: Any, trajectory: Trajectory, t: Any) -> tuple:
    """The state at one time, by the method's own interpolant."""
    t = t.astype(trajectory.keys.dtype)
    index = count_passed(trajectory.keys, trajectory.direction * t)
    index = lax.optimization_barrier(jnp.minimum(index, trajectory.last))
    piece = jax.tree_util.tree_map(lambda leaf: leaf[index], trajectory.pieces)
    ta, tb = trajectory.ends[index, 0], trajectory.ends[index, 1]
    # What reads the state would otherwise contain a copy of all this for every entry that it uses.
    return lax.optimization_barrier(method.interpolate(piece, (t - ta) / (tb - ta)))
