"""Derivatives of a batch of delay equations along the records of its lanes."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ...numerics.loops import while_loop
from ..engine.replay import pulled_at_end, pulled_to_start, pushed_at_start, pushed_to_end
from ..engine.replay_row import pull_row, push_row


def push_lanes(plan: Any, over: Any, operands: Any, settings: Any, record: Any, tangents: Any, axes: tuple) -> Any:
    """Tangents of the outputs of every lane; `axes` are those of the record and of the tangents."""
    every = (*over.axes, *axes)
    start = lambda o, s, r, d: pushed_at_start(plan, o, s, d, r)
    init = jax.vmap(start, every, axis_size=over.size)(operands, settings, record, tangents)

    def advance(o, s, r, d, carry, index):
        return push_row(plan, False, o, s, d, _row(r, index, index < r.num_rows), carry)

    carry = _over_rows(over, advance, every, (operands, settings, record, tangents), init)
    return jax.vmap(pushed_to_end)(carry)


def pull_lanes(plan: Any, over: Any, operands: Any, settings: Any, record: Any, cotangents: Any, axes: tuple) -> Any:
    """Cotangents of the operands of every lane; `axes` are those of the record and of the cotangents."""
    every = (*over.axes, *axes)
    start = lambda o, s, r, ct: pulled_at_end(plan, o, s, ct, r.num_accepted, r.num_saved, r.num_events, r)
    init = jax.vmap(start, every, axis_size=over.size)(operands, settings, record, cotangents)

    def advance(o, s, r, ct, carry, index):
        index = r.num_rows.astype(jnp.int32) - 1 - index
        return pull_row(plan, False, o, s, ct, _row(r, index, index >= 0), carry)

    carry = _over_rows(over, advance, every, (operands, settings, record, cotangents), init)
    end = jax.vmap(lambda o, s, carry: pulled_to_start(plan, o, s, carry), (*over.axes, 0), axis_size=over.size)
    return end(operands, settings, carry)


def _over_rows(over, advance, every, args, init):
    rows = jnp.max(args[2].num_rows).astype(jnp.int32)
    each = jax.vmap(advance, (*every, 0, None), axis_size=over.size)

    def body(looped):
        index, carry = looped
        return index + 1, each(*args, carry, index)

    return while_loop(lambda looped: looped[0] < rows, body, (jnp.int32(0), init), *args, init)[1]


def _row(record, index, is_used):
    """One row; one that is not used is as a rejected attempt."""
    index = jnp.maximum(index, 0)
    row = jax.tree_util.tree_map(lambda leaf: lax.dynamic_index_in_dim(leaf, index, keepdims=False), record.rows)
    return row._replace(tb=jnp.where(is_used, row.tb, row.ta))
