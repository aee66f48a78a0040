"""What an integration keeps of its past: the dense outputs of its last steps, and the breaking points."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ...numerics.batching import batch_native
from ...numerics.loops import while_loop
from .past import WINDOW, Piece

POINTS = 256
"""Breaking points that are kept at a time."""


class Points(NamedTuple):
    """Times at which a low derivative of the solution jumps, in a ring; the first is t0."""

    time: Any
    row: Any
    """The step that begins there, as a float."""
    level: Any
    """The lowest derivative that jumps there, as a float."""


class Marks(NamedTuple):
    """What the record keeps of a step, as floats; tuples have one entry for each lag."""

    first: tuple
    """The row of the first piece of the lag's window."""
    count: tuple
    is_before: tuple
    is_own: tuple
    is_new: Any
    """One where a step begins on a breaking point."""
    cause: Any
    """The lag on whose account the step ends where it does; -1 for none."""
    parent: Any
    """The row that begins on the breaking point which that lag has reached."""


class Kept(NamedTuple):
    """Arrays that are written at every step, with `WINDOW` rows more than steps, and read in windows."""

    pieces: Piece
    points: Points
    rows: Any
    """The record of derivatives; or None."""


class History(NamedTuple):
    """The state of the delays between attempts; tuples have one entry for each lag."""

    kept: Kept
    first: tuple
    """The row of the piece in which the lag is, int32."""
    section: tuple
    """The breaking point behind which the lag is, int32; -1 before t0."""
    num_points: Any
    is_new: Any
    """Whether the current time is a breaking point."""
    target: Any
    """The time on which the next attempt is to end; infinite without one."""
    aims: tuple
    """The lags on account of which."""
    attempts: Any
    """How many attempts were made to end on a breaking point."""


def put(buffers: Any, values: Any, slots: Any) -> Any:
    """Write values into rows of buffers, a tuple of trees each with a row number of its own.

    The values have rows in front, too: as many as are written. In a batch every lane has its own row, for which XLA
    would make a scatter; this is a loop over lanes, which stays in one kernel.
    """

    def lanes(size, axes, buffers, values, slots):
        spread = lambda leaf, axis: leaf if axis == 0 else jnp.broadcast_to(leaf, (size, *leaf.shape))
        leaves, tree = jax.tree_util.tree_flatten((buffers, values, slots))
        full = [spread(leaf, axis) for leaf, axis in zip(leaves, tree.flatten_up_to(axes), strict=True)]
        buffers, values, slots = jax.tree_util.tree_unflatten(tree, full)

        def write(buffer, value, slot, i):
            value = lax.dynamic_index_in_dim(value.astype(buffer.dtype), i, keepdims=True)
            return lax.dynamic_update_slice(buffer, value, (i, slot, *(jnp.int32(0) for _ in buffer.shape[2:])))

        def body(looped):
            i, buffers = looped
            new = []
            for tree, value, slot in zip(buffers, values, slots, strict=True):
                where = lax.dynamic_index_in_dim(slot, i, keepdims=False)
                new.append(jax.tree_util.tree_map(lambda b, v, s=where: write(b, v, s, i), tree, value))
            return i + 1, tuple(new)

        return while_loop(lambda looped: looped[0] < size, body, (jnp.int32(0), buffers), values, slots)[1]

    return batch_native(put_differentiably, lanes)(buffers, values, slots)


def put_differentiably(buffers: Any, values: Any, slots: Any) -> Any:
    """The same for loops that derivatives go through."""
    write = lambda buffer, value, slot: lax.dynamic_update_slice_in_dim(buffer, value.astype(buffer.dtype), slot, 0)
    trees = zip(buffers, values, slots, strict=True)
    return tuple(jax.tree_util.tree_map(lambda b, v, s=s: write(b, v, s), tree, value) for tree, value, s in trees)


def as_row(tree: Any) -> Any:
    """The tree as one row."""
    return jax.tree_util.tree_map(lambda leaf: jnp.asarray(leaf)[None], tree)


def window_at(tree: Any, slot: Any) -> Any:
    """`WINDOW` rows from `slot` on."""
    return jax.tree_util.tree_map(lambda leaf: lax.dynamic_slice_in_dim(leaf, slot, WINDOW, 0), tree)


def row_at(tree: Any, slot: Any) -> Any:
    """One row."""
    return jax.tree_util.tree_map(lambda leaf: lax.dynamic_index_in_dim(leaf, slot, keepdims=False), tree)
