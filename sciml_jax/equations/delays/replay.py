"""What a recorded step with lookups does to tangents and cotangents.

A step reads a few pieces of earlier steps, and so does its derivative: tangents of pieces are kept beside the pieces,
cotangents are added to those that were read, and a step's own are complete when the way back reaches it. Where a step
was looked up in itself, its piece is a fixed point, `z = D(x, z)`, and `dz = D_x dx + D_z dz` is iterated as the step
was; likewise its transpose. The end of a step moves with the breaking point on which it ends.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ...numerics.loops import vary_like, while_loop
from ..engine.event_row import Passed, pushed_step
from .history import as_row, put, row_at, window_at
from .past import NEVER, WINDOW, Context, Piece, Rows, Window
from .system import as_rows

MOST = 100
"""Iterations of a linear fixed point, at most."""


class Replayed(NamedTuple):
    """The pieces of all steps, what derivatives make of them, and of the times at which steps begin."""

    pieces: Piece
    moves: Piece
    """Their tangents or cotangents."""
    starts: Any
    """Tangents or cotangents of the beginnings of steps."""


def replayed_at(record: Any, t0: Any, dt0: Any, varying: Any) -> Replayed:
    """Before the first row is reached; `dt0` is the tangent of t0, or zero."""
    pieces = record.pieces
    moves = jax.tree_util.tree_map(jnp.zeros_like, pieces)
    starts = jnp.zeros(pieces.ta.shape[0], t0.dtype).at[0].set(dt0)
    return vary_like(Replayed(pieces, moves, starts), pieces, varying)


def push_delayed(
    plan: Any, operands: Any, settings: Any, row: Any, alone: bool, carry: Any, active: Any, point: tuple, moves: tuple
) -> tuple[Passed, Passed, Replayed, Any]:
    """The step, its tangents, what is kept of them, and the tangent of its beginning."""
    (ta, tb, y, memory, theta), (_, dtb, dy, dmemory, dtheta) = point, moves
    system, kept, index = plan.system, carry.delays, carry.accepted
    dta = kept.starts[index]
    context = context_at(plan, operands, row, kept.pieces, row_at(kept.pieces, index), ta, y)
    full, zeros = system.filled(theta, context), jax.tree_util.tree_map(jnp.zeros_like, context)
    moving = [window._replace(pieces=_window(plan, kept.moves, row, j)) for j, window in enumerate(zeros.windows)]
    lag, is_caused = deciding_lag(plan, settings, row)

    def push(dta, dtb, dy, dmemory, dtheta, windows):
        def step(dz):
            dcontext = zeros._replace(windows=windows, own=dz)
            dfull = system.filled(dtheta, dcontext)
            point, moves = (ta, tb, y, memory, full), (dta, dtb, dy, dmemory, dfull)
            return pushed_step(plan, operands, settings, row, alone, point, moves)

        return _fixed_point(step, lambda moved: moved.dense, zeros.own, row, (operands, kept, carry.dy, dtheta))

    dparent = kept.starts[row.delays.parent.astype(jnp.int32)]
    if all(plan.delays.is_constant):
        # The lag depends on nothing but the parameters.
        rate = jax.jvp(lambda theta: lag(theta, tb, y), (theta,), (dtheta,))[1]
        dtb = jnp.where(is_caused, dparent + rate, dtb)
        passed, moved = push(dta, dtb, dy, dmemory, dtheta, tuple(moving))
    else:
        dtb = jnp.where(is_caused, 0.0, dtb)
        passed, moved = push(dta, dtb, dy, dmemory, dtheta, tuple(moving))
        at_rest = jax.tree_util.tree_map(jnp.zeros_like, (dta, dy, dmemory, dtheta))
        still_ta, still_y, still_memory, still_theta = at_rest
        one = jnp.ones_like(dtb)
        _, along = push(still_ta, one, still_y, still_memory, still_theta, zeros.windows)
        rate = jax.jvp(lag, (theta, tb, passed.y), (dtheta, 0 * tb, moved.y))[1]
        slope = one - jax.jvp(lag, (theta, tb, passed.y), (still_theta, one, along.y))[1]
        extra = jnp.where(is_caused, (dparent + rate) / jnp.where(is_caused, slope, 1.0), 0.0)
        moved = jax.tree_util.tree_map(lambda a, b: a + extra.astype(a.real.dtype) * b, moved, along)
    junk = kept.starts.shape[0] - 1
    slot, next_slot = (jnp.where(active, i, junk).astype(jnp.int32) for i in (index, index + 1))
    tangents, starts = put((kept.moves, kept.starts), (as_row(moved.dense), moved.tb[None]), (slot, next_slot))
    return passed, moved, Replayed(kept.pieces, tangents, starts), dta


def filled_operands(plan: Any, operands: Any, row: Any, carry: Any, index: Any) -> tuple:
    """All operands of a recorded step."""
    context = context_at(plan, operands, row, carry.delays.pieces, row_at(carry.delays.pieces, index), row.ta, row.y)
    return plan.system.filled(operands.theta, context)


def pull_delayed(
    plan: Any,
    operands: Any,
    settings: Any,
    row: Any,
    carry: Any,
    active: Any,
    index: Any,
    passed: Passed,
    pull: Any,
    ct: Passed,
    ct_start: Any,
) -> tuple[tuple, Replayed]:
    """The cotangents of `(ta, tb, y, memory, theta)`, and those of pieces and beginnings.

    `ct_start` is what else depends on the beginning of the step.
    """
    system, kept, theta = plan.system, carry.delays, operands.theta
    tb = jnp.where(active, row.tb, row.ta + 1)
    add = lambda a, b: jax.tree_util.tree_map(jnp.add, a, b)
    at_row = jax.tree_util.tree_map(lambda leaf: jnp.where(active, leaf, 0), row_at(kept.moves, index))
    ct = ct._replace(dense=add(ct.dense, at_row), tb=ct.tb + jnp.where(active, kept.starts[index + 1], 0.0))

    def pulled(ct):
        def step(own):
            ct_point = pull(ct._replace(dense=add(ct.dense, own)))
            return passed, (*ct_point[:4], *system.taken_out(ct_point[4]))

        zero = jax.tree_util.tree_map(jnp.zeros_like, ct.dense)
        return _fixed_point(step, lambda out: out[5].own, zero, row, (operands, kept, ct))[1]

    ct_ta, ct_tb, ct_y, ct_memory, ct_theta, ct_context = pulled(ct)
    lag, is_caused = deciding_lag(plan, settings, row)
    lag_of, pull_lag = jax.vjp(lag, theta, tb, passed.y)
    zero = jnp.zeros_like(ct_tb)
    if all(plan.delays.is_constant):
        share = jnp.where(is_caused, ct_tb, 0.0)
        ct_theta = add(ct_theta, pull_lag(share)[0])
    else:
        in_theta, in_time, in_state = pull_lag(jnp.ones_like(lag_of))
        nothing = jax.tree_util.tree_map(jnp.zeros_like, ct)
        along = pulled(nothing._replace(y=in_state))
        slope = 1.0 - in_time - along[1]
        share = jnp.where(is_caused, ct_tb / jnp.where(is_caused, slope, 1.0), 0.0)
        scaled = lambda a, b: jax.tree_util.tree_map(lambda x, y: x + share.astype(x.real.dtype) * y, a, b)
        ct_ta, ct_y, ct_memory, ct_context = scaled(
            (ct_ta, ct_y, ct_memory, ct_context), (along[0], *along[2:4], along[5])
        )
        ct_theta = scaled(scaled(ct_theta, along[4]), in_theta)
    ct_tb = jnp.where(is_caused, zero, ct_tb)
    kept = _credited(row, kept, active, index, share, ct_start + ct_ta, ct_context)
    return (jnp.zeros_like(ct_ta), ct_tb, ct_y, ct_memory, ct_theta), kept


def _credited(row, kept, active, index, share, ct_ta, ct_context) -> Replayed:
    """Add to the cotangents of pieces and beginnings what the step has read of them."""
    junk = jnp.int32(kept.starts.shape[0] - 1)
    where = lambda i: jnp.where(active, i, junk).astype(jnp.int32)
    starts = kept.starts
    for slot, value in ((row.delays.parent, share), (index, ct_ta)):
        slot = where(jnp.asarray(slot).astype(jnp.int32))
        (starts,) = put((starts,), ((row_at(starts, slot) + value)[None],), (slot,))
    moves = kept.moves
    for j, window in enumerate(ct_context.windows):
        slot = jnp.where(active, row.delays.first[j], junk + 1 - WINDOW).astype(jnp.int32)
        more = jax.tree_util.tree_map(_as_array, window.pieces, is_leaf=lambda node: isinstance(node, Rows))
        block = jax.tree_util.tree_map(jnp.add, window_at(moves, slot), more)
        (moves,) = put((moves,), (block,), (slot,))
    return Replayed(kept.pieces, moves, starts)


def _as_array(rows: Any) -> Any:
    return jnp.stack(rows) if isinstance(rows, Rows) else rows


def _fixed_point(step: Any, own_of: Any, zero: Any, row: Any, varying: Any) -> tuple:
    """`step(z) -> (constant, out)` at the fixed point of `z = own_of(out)`; a single evaluation where there is none."""
    is_own = jnp.array(False)
    for flag in row.delays.is_own:
        is_own = is_own | (flag > 0)
    shapes = jax.eval_shape(step, zero)
    empty = jax.tree_util.tree_map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    def body(looped):
        count, _, old, _ = looped
        out = step(old)
        new = own_of(out[1])
        size = lambda tree: jnp.asarray(sum(jnp.sum(jnp.abs(leaf)) for leaf in jax.tree_util.tree_leaves(tree)))
        change = size(jax.tree_util.tree_map(jnp.subtract, new, old))
        eps = jnp.finfo(change.dtype).eps
        done = ~is_own | ~(change > 4 * eps * size(new)) | (count >= MOST)
        return count + 1, done, new, out

    looped = vary_like((jnp.int32(0), jnp.array(False), zero, empty), zero, row, varying)
    return while_loop(lambda looped: ~looped[1], body, looped, row, varying)[3]


def deciding_lag(plan: Any, settings: Any, row: Any) -> tuple:
    """The lag on whose account the step ends as `(theta, t, y) -> lag`, and whether there is one."""
    cause = row.delays.cause

    def lag(theta, t, y):
        lags = plan.bind(theta, settings).lags(t, y)
        return sum((jnp.where(cause == j, lag, 0.0) for j, lag in enumerate(lags)), jnp.zeros_like(t))

    return lag, cause >= 0


def _window(plan, pieces, row, j) -> Piece:
    return as_rows(window_at(pieces, row.delays.first[j].astype(jnp.int32)), plan.system.layout)


def context_at(plan: Any, operands: Any, row: Any, pieces: Piece, own: Piece, ta: Any, y: tuple) -> Context:
    """What lookups in a recorded step read; its own piece is known."""
    marks, zero = row.delays, jnp.zeros_like(ta)
    windows = tuple(
        Window(_window(plan, pieces, row, j), marks.count[j], marks.is_before[j], marks.is_own[j], zero, zero)
        for j in range(plan.delays.num_lags)
    )
    return Context(windows, own, zero + 1, ta, y, operands.t0, zero + NEVER)
