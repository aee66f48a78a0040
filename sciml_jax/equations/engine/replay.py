"""Derivatives by replaying the recorded steps with their sizes held fixed.

The derivative of the discrete solution: `y_(n+1) = Phi(t_n, t_(n+1), y_n, theta)` with the times frozen, except that
the first step begins at `t0` and the last one ends at `t1`. Tangents are pushed forward, cotangents pulled back, by
loops over the recorded rows that recompute each step; only the states are stored. What one row does is in
`replay_row.py`; here are the loops, for one integration and for a batch.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from ...numerics.loops import while_loop
from .replay_row import Outputs, Pulled, Pushed, pull_row, push_row


def push_forward(plan: Any, batch_aware: bool = True) -> Any:
    """`(operands, settings, record, tangents) -> tangents of the Outputs`; one loop for all lanes under `vmap`.

    Without `batch_aware` it is plain JAX, which `vmap` and derivatives see through.
    """

    def start(operands, settings, counts, tangents):
        del counts
        buffers = jax.tree_util.tree_map(jnp.zeros_like, plan.empty_outputs(operands, settings))
        zero = jnp.int32(0)
        return Pushed(tangents.y0, zero, zero, buffers.saved, buffers.stepped, buffers.pieces)

    def finish(carry):
        return Outputs(carry.dy, carry.saved, carry.stepped, carry.pieces)

    return _replay(start, functools.partial(push_row, plan), finish, reverse=False, batch_aware=batch_aware)


def pull_back(plan: Any) -> Any:
    """`(operands, settings, record, cotangents) -> cotangents of the Operands`; one loop for all lanes under `vmap`."""

    def start(operands, settings, counts, cotangents):
        del settings
        zeros = jax.tree_util.tree_map(jnp.zeros_like, operands)
        num_accepted, num_saved = (count.astype(jnp.int32) for count in counts)
        return Pulled(cotangents.y, num_accepted, num_saved, zeros)

    def finish(carry):
        y0 = jax.tree_util.tree_map(jnp.add, carry.total.y0, carry.ct_y)
        return carry.total._replace(y0=y0)

    return _replay(start, functools.partial(pull_row, plan), finish, reverse=True)


def _replay(start: Any, advance: Any, finish: Any, reverse: bool, batch_aware: bool = True) -> Any:
    def single(operands, settings, record, moves):
        init = start(operands, settings, (record.num_accepted, record.num_saved), moves)
        step = lambda row, carry: advance(True, operands, settings, moves, row, carry)
        return finish(_over_rows(step, init, record, reverse, (operands, settings, moves)))

    if not batch_aware:
        return single
    replay = custom_vmap(single)

    @replay.def_vmap
    def rule(axis_size, in_batched, operands, settings, record, moves):
        axes = jax.tree_util.tree_map(lambda batched: 0 if batched else None, tuple(in_batched))
        moving_axes = (axes[0], axes[1], axes[3])
        counts_axes = (axes[2].num_accepted, axes[2].num_saved)
        mapped_start = jax.vmap(start, (*axes[:2], counts_axes, axes[3]), axis_size=axis_size)
        init = mapped_start(operands, settings, (record.num_accepted, record.num_saved), moves)
        # The record was written row by row and turned lanes-first only to pass through here. Turned back, XLA removes
        # both transpositions, and every iteration reads one contiguous block.
        turn = lambda leaf, batched: jnp.moveaxis(leaf, 0, 1) if batched else leaf
        record = record._replace(
            rows=jax.tree_util.tree_map(turn, record.rows, in_batched[2].rows),
            # All lanes were recorded together, so the number of rows is one number.
            num_rows=jnp.max(record.num_rows),
        )
        mapped = jax.vmap(functools.partial(advance, False), (*moving_axes, axes[2].rows, 0), axis_size=axis_size)
        step = lambda row, carry: mapped(operands, settings, moves, row, carry)
        out = _over_rows(step, init, record, reverse, (operands, settings, moves))
        out = jax.vmap(finish)(out)
        return out, jax.tree_util.tree_map(lambda _: True, out)

    return replay


def _over_rows(step: Any, init: Any, record: Any, reverse: bool, operands: Any) -> Any:
    """Apply `step(row, carry)` to the rows in use, forwards or backwards."""
    count = record.num_rows.astype(jnp.int32)

    def body(indexed):
        index, carry = indexed
        position = count - 1 - index if reverse else index
        row = jax.tree_util.tree_map(lambda buffer: buffer[position], record.rows)
        return index + 1, step(row, carry)

    _, final = while_loop(lambda indexed: indexed[0] < count, body, (jnp.int32(0), init), operands, record)
    return final
