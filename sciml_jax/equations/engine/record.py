"""Running the loop while recording every accepted step, for one integration and for a batch in lockstep."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from ...numerics.loops import vary_like, while_loop
from .forward import RUNNING, Row, attempt, finish, start
from .saving import write


class Record(NamedTuple):
    """The accepted steps. Counts are floats, so that no leaf needs an integer tangent."""

    rows: Row
    """Leading axis max_steps; in a batch, rejected attempts are rows with `ta == tb`."""
    num_rows: Any
    """Rows in use."""
    num_accepted: Any
    """Accepted steps among them."""
    num_saved: Any
    """How many save times were reached."""


def integrate_recorded(plan: Any) -> Any:
    """`(operands, settings) -> (State, Record)`; under `vmap` one loop runs all lanes with a shared step counter.

    Plain `vmap` of a `while_loop` would give each lane its own counter, and every write to the record would become a
    select over the whole buffer.
    """

    @custom_vmap
    def recorded(operands, settings):
        return _single(plan, operands, settings)

    @recorded.def_vmap
    def rule(axis_size, in_batched, operands, settings):
        axes = jax.tree_util.tree_map(lambda batched: 0 if batched else None, in_batched)
        out = _lanes(plan, axis_size, tuple(axes), operands, settings)
        return out, jax.tree_util.tree_map(lambda _: True, out)

    return recorded


def _single(plan, operands, settings):
    init = start(plan, operands, settings)
    rows = _empty_rows(plan.max_steps, Row(init.t, init.t, init.y))

    def going(carry):
        state, _ = carry
        return (state.status == RUNNING) & (state.num_steps < plan.max_steps)

    def body(carry):
        state, rows = carry
        index = state.num_accepted
        state, row = attempt(plan, operands, settings, state)
        # A rejected attempt is overwritten by the next one.
        return state, _write(rows, row, index)

    state, rows = while_loop(going, body, (init, rows), operands, settings)
    state = finish(plan, operands, settings, state)
    accepted = _as_count(state.num_accepted, init.t)
    return state, Record(rows, accepted, accepted, _as_count(state.cursor, init.t))


def _lanes(plan, size, axes, operands, settings):
    init = jax.vmap(lambda o, s: start(plan, o, s), in_axes=axes, axis_size=size)(operands, settings)
    rows = _empty_rows(plan.max_steps, Row(init.t, init.t, init.y))

    def one(operands, settings, state):
        running = state.status == RUNNING
        new, row = attempt(plan, operands, settings, state)
        advanced = running & (new.num_accepted > state.num_accepted)
        state = jax.tree_util.tree_map(lambda a, b: jnp.where(running, a, b), new, state)
        return state, row._replace(tb=jnp.where(advanced, row.tb, row.ta))

    def going(carry):
        index, state, _ = carry
        return jnp.any(state.status == RUNNING) & (index < plan.max_steps)

    def body(carry):
        index, state, rows = carry
        state, row = jax.vmap(one, in_axes=(*axes, 0))(operands, settings, state)
        return index + 1, state, _write(rows, row, index)

    count, state, rows = while_loop(going, body, (jnp.int32(0), init, rows), operands, settings)
    state = jax.vmap(lambda o, s, x: finish(plan, o, s, x), in_axes=(*axes, 0))(operands, settings, state)
    # custom_vmap wants the lanes in front; the loops wrote and will read step by step.
    rows = jax.tree_util.tree_map(lambda buffer: jnp.moveaxis(buffer, 1, 0), rows)
    counts = jnp.broadcast_to(count.astype(init.t.dtype), (size,))
    accepted, saved = _as_count(state.num_accepted, init.t), _as_count(state.cursor, init.t)
    return state, Record(rows, vary_like(counts, init.t), accepted, saved)


def _empty_rows(length, row):
    """Buffers whose contents do not matter, since the rows in use are counted: clearing them would touch all memory."""
    return vary_like(jax.tree_util.tree_map(lambda leaf: jnp.empty((length, *leaf.shape), leaf.dtype), row), row)


def _write(rows, row, index):
    return jax.tree_util.tree_map(lambda buffer, value: write(buffer, value, index), rows, row)


def _as_count(number, like):
    return number.astype(like.dtype)
