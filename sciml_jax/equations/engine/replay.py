"""Derivatives by replaying the recorded steps with their sizes held fixed.

The derivative of the discrete solution: `y_(n+1) = Phi(t_n, t_(n+1), y_n, theta)` with the times frozen, except that
the first step begins at `t0` and the last one ends at `t1`. Tangents are pushed forward, cotangents pulled back, by
loops over the recorded rows that recompute each step; only the states are stored.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

from ...numerics.loops import vary_like, while_loop
from .forward import sample
from .operands import Operands, Settings


class Outputs(NamedTuple):
    """What derivatives are taken of."""

    y: tuple
    """The state where the integration ended."""
    saved: tuple
    stepped: tuple
    pieces: Any


def push_forward(plan: Any):
    """`(operands, settings, record, tangents) -> tangents of the Outputs`, batch-aware."""
    return _batch_aware(lambda *args: _push_forward(plan, *args))


def pull_back(plan: Any):
    """`(operands, settings, record, cotangents of the Outputs) -> cotangents of the Operands`, batch-aware."""
    return _batch_aware(lambda *args: _pull_back(plan, *args))


def replayed_step(plan: Any, settings: Settings, ta: Any, tb: Any, y: tuple, operands: Operands):
    """One accepted step as a function of everything that it depends on: the new state and the interpolant's data."""
    return plan.replayed_step(operands.theta, settings.consts, ta, tb, y)


def _moving_ends(operands, ta, tb, dt0, dt1):
    """Tangents of a step's ends: only the very first and the very last time move."""
    return jnp.where(ta == operands.t0, dt0, 0.0), jnp.where(tb == operands.t1, dt1, 0.0)


def _push_forward(plan, operands, settings, record, tangents):
    buffers = jax.tree_util.tree_map(jnp.zeros_like, plan.empty_outputs(operands, settings))

    def body(carry):
        index, accepted, cursor, dy, saved, stepped, pieces = carry
        ta, tb, y = jax.tree_util.tree_map(lambda buffer: buffer[index], record.rows)
        active = ta != tb
        safe_tb = jnp.where(active, tb, ta + 1)
        dta, dtb = _moving_ends(operands, ta, tb, tangents.t0, tangents.t1)
        (y1, dense), (dy1, ddense) = jax.jvp(
            lambda ta, tb, y, operands: replayed_step(plan, settings, ta, tb, y, operands),
            (ta, safe_tb, y, operands), (dta, dtb, dy, tangents),
        )  # fmt: skip

        def save(carry):
            cursor, saved = carry
            point = (operands, ta, safe_tb, y1, dense)
            moves = (tangents, dta, dtb, dy1, ddense)
            value = jax.jvp(lambda *args: _sampled(plan, settings, cursor, *args), point, moves)[1]
            return cursor + 1, tuple(_write(buffer, leaf, cursor) for buffer, leaf in zip(saved, value, strict=True))

        if plan.num_save:
            pending = lambda carry: active & _is_pending(plan, operands, carry[0], tb)  # noqa: E731
            cursor, saved = while_loop(pending, save, (cursor, saved), operands, ta, tb, dy1)
        if plan.save_every is not None:
            row = (accepted + 1) // plan.save_every - 1
            keep = active & ((accepted + 1) % plan.save_every == 0)
            value = jax.jvp(
                lambda *args: _observed(plan, settings, *args), (operands, safe_tb, y1), (tangents, dtb, dy1)
            )[1]
            row = jnp.where(keep, row, 0)
            stepped = tuple(
                _write(buffer, jnp.where(keep, leaf, buffer[row]), row)
                for buffer, leaf in zip(stepped, value, strict=True)
            )
        if plan.dense:
            pieces = jax.tree_util.tree_map(
                lambda buffer, leaf: _write(buffer, jnp.where(active, leaf, buffer[accepted]), accepted), pieces, ddense
            )
        dy = tuple(jnp.where(active, new, old) for new, old in zip(dy1, dy, strict=True))
        return index + 1, accepted + active.astype(jnp.int32), cursor, dy, saved, stepped, pieces

    zero = jnp.int32(0)
    init = (zero, zero, zero, tangents.y0, buffers.saved, buffers.stepped, buffers.pieces)
    count = record.num_rows.astype(jnp.int32)
    final = while_loop(lambda carry: carry[0] < count, body, init, operands, record, tangents)
    return Outputs(*final[3:])


def _pull_back(plan, operands, settings, record, cotangents):
    def body(carry):
        index, accepted, cursor, ct_y, total = carry
        ta, tb, y = jax.tree_util.tree_map(lambda buffer: buffer[index], record.rows)
        active = ta != tb
        safe_tb = jnp.where(active, tb, ta + 1)
        accepted = accepted - active.astype(jnp.int32)
        (y1, dense), pull = jax.vjp(
            lambda ta, tb, y, operands: replayed_step(plan, settings, ta, tb, y, operands), ta, safe_tb, y, operands
        )
        ct_y = tuple(leaf for leaf in ct_y)
        ct_dense = vary_like(jax.tree_util.tree_map(jnp.zeros_like, dense), ct_y, dense)
        ct_ends = vary_like((jnp.zeros_like(ta), jnp.zeros_like(ta)), ct_y, ta)
        if plan.dense:
            ct_dense = jax.tree_util.tree_map(lambda buffer: jnp.where(active, buffer[accepted], 0), cotangents.pieces)
        if plan.save_every is not None:
            row = (accepted + 1) // plan.save_every - 1
            keep = active & ((accepted + 1) % plan.save_every == 0)
            _, pull_row = jax.vjp(lambda *args: _observed(plan, settings, *args), operands, safe_tb, y1)
            given = tuple(jnp.where(keep, buffer[jnp.where(keep, row, 0)], 0) for buffer in cotangents.stepped)
            ct_operands, ct_tb, ct_y1 = pull_row(given)
            total, ct_y = _add(total, ct_operands), _add(ct_y, ct_y1)
            ct_ends = (ct_ends[0], ct_ends[1] + ct_tb)

        def unsave(carry):
            cursor, total, ct_ends, ct_y, ct_dense = carry
            cursor = cursor - 1
            _, pull_value = jax.vjp(
                lambda *args: _sampled(plan, settings, cursor, *args), operands, ta, safe_tb, y1, dense
            )
            given = tuple(buffer[cursor] for buffer in cotangents.saved)
            ct_operands, ct_ta, ct_tb, ct_y1, ct_piece = pull_value(given)
            ct_ends = (ct_ends[0] + ct_ta, ct_ends[1] + ct_tb)
            return cursor, _add(total, ct_operands), ct_ends, _add(ct_y, ct_y1), _add(ct_dense, ct_piece)

        if plan.num_save:
            pending = lambda carry: active & _was_saved(operands, carry[0], ta)  # noqa: E731
            carry = (cursor, total, ct_ends, ct_y, ct_dense)
            cursor, total, ct_ends, ct_y, ct_dense = while_loop(pending, unsave, carry, operands, ta, tb)
        ct_ta, ct_tb, ct_y0, ct_operands = pull((ct_y, ct_dense))
        ends = _moving_ends(operands, ta, tb, ct_ends[0] + ct_ta, ct_ends[1] + ct_tb)
        moved = _add(total, ct_operands)
        moved = moved._replace(t0=moved.t0 + ends[0], t1=moved.t1 + ends[1])
        choose = lambda new, old: jax.tree_util.tree_map(lambda a, b: jnp.where(active, a, b), new, old)  # noqa: E731
        return index - 1, accepted, cursor, choose(ct_y0, ct_y), choose(moved, total)

    zeros = jax.tree_util.tree_map(jnp.zeros_like, operands)
    count = record.num_rows.astype(jnp.int32)
    accepted = jnp.sum(record.rows.ta != record.rows.tb).astype(jnp.int32) if plan.needs_step_index else count
    init = (count - 1, accepted, record.num_saved.astype(jnp.int32), cotangents.y, zeros)
    final = while_loop(lambda carry: carry[0] >= 0, body, init, operands, record, cotangents)
    _, _, _, ct_y, total = final
    return total._replace(y0=_add(total.y0, ct_y))


def _sampled(plan, settings, cursor, operands, ta, tb, y1, dense):
    system = plan.system.bind(operands.theta, settings.consts)
    return sample(plan, system, operands.save_ts[cursor], ta, tb, y1, dense)


def _observed(plan, settings, operands, tb, y1):
    system = plan.system.bind(operands.theta, settings.consts)
    return (*system.observe(tb, y1), tb)


def _is_pending(plan, operands, cursor, tb):
    direction = jnp.sign(operands.t1 - operands.t0)
    time = operands.save_ts[jnp.minimum(cursor, plan.num_save - 1)]
    return (cursor < plan.num_save) & (direction * time <= direction * tb)


def _was_saved(operands, cursor, ta):
    """Whether the save time before `cursor` lies in the step from `ta` (the first step includes t0 itself)."""
    direction = jnp.sign(operands.t1 - operands.t0)
    time = operands.save_ts[jnp.maximum(cursor - 1, 0)]
    return (cursor > 0) & ((direction * time > direction * ta) | (ta == operands.t0))


def _batch_aware(function):
    """Under `vmap` one loop runs over the rows that all lanes share."""
    wrapped = custom_vmap(function)

    @wrapped.def_vmap
    def rule(axis_size, in_batched, operands, settings, record, moves):
        del axis_size
        axes = jax.tree_util.tree_map(lambda batched: 0 if batched else None, tuple(in_batched))
        # All lanes recorded together, so the number of rows is one number: unbatched, it keeps the loop a shared one.
        shared = record.num_rows
        if jnp.ndim(shared):
            shared = jnp.max(shared)
        record = record._replace(num_rows=shared)
        # The record was written step by step and turned lanes-first only to pass through here: turn it back, and XLA
        # removes both transpositions, so that every step reads one contiguous block.
        rows_axes = jax.tree_util.tree_map(lambda batched: 1 if batched else None, in_batched[2].rows)
        rows = jax.tree_util.tree_map(
            lambda leaf, batched: jnp.moveaxis(leaf, 0, 1) if batched else leaf, record.rows, in_batched[2].rows
        )
        record = record._replace(rows=rows)
        axes = (*axes[:2], axes[2]._replace(num_rows=None, rows=rows_axes), axes[3])
        out = jax.vmap(function, in_axes=axes)(operands, settings, record, moves)
        return out, jax.tree_util.tree_map(lambda _: True, out)

    return wrapped


def _add(a, b):
    return jax.tree_util.tree_map(jnp.add, a, b)


def _write(buffer, value, index):
    return lax.dynamic_update_index_in_dim(buffer, value.astype(buffer.dtype), index, 0)
