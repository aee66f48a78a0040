"""An integration whose derivatives are loops in both directions, stated to JAX as a linear system.

The same device as in `engine.differentiable` (see `docs/design/decisions/001`), with checkpoints in the place of the
record.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...numerics.batching import batch_native
from ...numerics.flatten import RealVector
from ...numerics.loops import vary_like
from ..engine.forward import Row
from ..engine.loop import Lanes, One
from ..engine.record import Record
from ..engine.unrolled import unrolled_outputs
from .checkpoints import Checkpoints, checkpoint, pull_through, push_through
from .replay import Replay


def with_checkpoints(plan: Any, bounded: Any, stride: int) -> Callable:
    """`(operands, settings) -> (Outputs, info)`, differentiable with respect to `operands`.

    `bounded` is the plan of a differentiated integration, with a number for `max_steps`.
    """
    keep = batch_native(
        lambda *args: checkpoint(bounded, One(), stride, *args),
        lambda size, axes, *args: _lanes_first(checkpoint(bounded, Lanes(size, axes), stride, *args), size),
    )

    @jax.custom_jvp
    def plain(operands, settings):
        return Replay().integration(plan)(operands, settings)

    @jax.custom_jvp
    def keeping(operands, settings):
        return *Replay().integration(bounded)(operands, settings), keep(operands, settings)

    def rule(primals, tangents):
        operands, settings = primals
        outputs, info, kept = keeping(operands, settings)
        moves = _linear_part(bounded, stride, operands, settings, info, kept, tangents[0])
        return (outputs, info, kept), (moves, no_tangent(info), no_tangent(kept))

    @plain.defjvp
    def plain_jvp(primals, tangents):
        (outputs, info, _), (moves, still, _) = rule(primals, tangents)
        return (outputs, info), (moves, still)

    keeping.defjvp(rule)
    return plain


def _linear_part(plan, stride, operands, settings, info, kept, tangents):
    kept = lax.stop_gradient((kept, info[3], info[4], info[8]))
    tangents = vary_like(tangents, operands, tangents, kept)
    inputs, outputs = RealVector(operands), RealVector(plan.empty_outputs(operands, settings))
    size = outputs.size

    # JAX traces the matrix twice, for itself and to transpose it; under jit the second time costs nothing.
    @jax.jit
    def unrolled_tangents(operands, settings, kept, moves):
        points, *counts = kept
        record = Record(Row(points.ta, points.tb, (), None, points.events), points.num_rows, *counts)
        return jax.jvp(lambda op: unrolled_outputs(plan, op, settings, record), (operands,), (moves,))[1]

    def matvec(vector):
        image = unrolled_tangents(operands, settings, kept, inputs.unpack(vector[size:]))
        return jnp.concatenate([vector[:size] - outputs.pack(image), vector[size:]])

    push, pull = _pushing(plan), _pulling(plan, stride)

    def solve(_, rhs):
        image = push(operands, settings, kept, inputs.unpack(rhs[size:]))
        return jnp.concatenate([rhs[:size] + outputs.pack(image), rhs[size:]])

    def transpose_solve(_, rhs):
        back = pull(operands, settings, kept, outputs.unpack_cotangent(rhs[:size]))
        return jnp.concatenate([rhs[:size], rhs[size:] + inputs.pack_cotangent(back)])

    right = inputs.pack(tangents)
    zeros = vary_like(jnp.zeros(size, right.dtype), right)
    try:
        solved = lax.custom_linear_solve(matvec, jnp.concatenate([zeros, right]), solve, transpose_solve)
    except ValueError as error:
        if "while_loop" not in str(error):
            raise
        # A loop of unknown length in the vector field: forward mode only, as in `engine.differentiable`.
        return push_through(plan, One(), operands, settings, kept[0], tangents, None)
    return outputs.unpack(solved[:size])


def _pushing(plan):
    def single(operands, settings, kept, moves):
        return push_through(plan, One(), operands, settings, kept[0], moves, None)

    def lanes(size, axes, operands, settings, kept, moves):
        if not _has_lanes(axes[2]):
            return jax.vmap(single, axes, axis_size=size)(operands, settings, kept, moves)
        return push_through(plan, Lanes(size, axes[:2]), operands, settings, _rows_first(kept[0]), moves, axes[3])

    return batch_native(single, lanes)


def _pulling(plan, stride):
    def single(operands, settings, kept, cotangents):
        return pull_through(plan, One(), stride, operands, settings, kept[0], kept[1:], cotangents, (None, None))

    def lanes(size, axes, operands, settings, kept, cotangents):
        if not _has_lanes(axes[2]):
            return jax.vmap(single, axes, axis_size=size)(operands, settings, kept, cotangents)
        over, points = Lanes(size, axes[:2]), _rows_first(kept[0])
        each = (axes[2][1:], axes[3])
        return pull_through(plan, over, stride, operands, settings, points, kept[1:], cotangents, each)

    return batch_native(single, lanes)


def _has_lanes(axes):
    return any(axis == 0 for axis in jax.tree_util.tree_leaves(axes))


def _lanes_first(kept: Checkpoints, size: int) -> Checkpoints:
    count = vary_like(jnp.broadcast_to(kept.num_rows, (size,)), kept.num_rows, kept.ta)
    return jax.tree_util.tree_map(lambda leaf: jnp.moveaxis(leaf, 1, 0), kept._replace(num_rows=()))._replace(
        num_rows=count
    )


def _rows_first(kept: Checkpoints) -> Checkpoints:
    count = jnp.max(kept.num_rows)
    return jax.tree_util.tree_map(lambda leaf: jnp.moveaxis(leaf, 0, 1), kept._replace(num_rows=()))._replace(
        num_rows=count
    )


def no_tangent(tree: Any) -> Any:
    """Zero tangents: zeros for floats, float0 for the others."""

    def zero(leaf):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            return jnp.zeros_like(leaf)
        return np.zeros(leaf.shape, jax.dtypes.float0)

    return jax.tree_util.tree_map(zero, tree)
