"""The integration as one differentiable function: forward and reverse mode to any order, under every transformation.

The derivative rule is a `custom_jvp` whose linear part, tangents of the operands to tangents of the outputs, is stated
as a linear system with a known solution,

    [ I  -L ] [ dout ]   [ 0  ]
    [ 0   I ] [ dop  ] = [ dop ],

and handed to `lax.custom_linear_solve`: its `solve` is a loop that pushes tangents forward through the record, its
`transpose_solve` a loop that pulls cotangents back, so both modes have a dynamic number of iterations. JAX
differentiates the system itself for higher orders through its matrix, which is written as a `scan` over all `max_steps`
rows and is run only then.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from ...numerics.batching import batch_native, in_blocks
from ...numerics.flatten import RealVector
from ...numerics.loops import vary_like
from ...numerics.one_kernel import lanes_in_one_kernel, undifferentiated_kernel
from .loop import Lanes, One, integrate, integrate_unlinked
from .operands import Operands, Settings
from .record import Record, outputs_of
from .replay import pull_back, push_forward
from .replay_lanes import pull_lanes, push_lanes, record_lanes
from .replay_row import Outputs
from .unrolled import unrolled_outputs
from .whole import axes_apart, outputs_apart, outputs_together, put_together, take_apart

BLOCK = 64
"""Lanes of a batch that run together on the CPU, at most."""


def differentiable_integration(plan: Any):
    """`(operands, settings) -> (Outputs, info)` with everything whole; derivatives with respect to `operands` only.

    `info` is a tuple of floats (time reached, step size, counts, status) without derivatives: floats, because integer
    outputs of a custom rule would need tangents of a type that `shard_map`'s varying-axes check refuses.
    """
    if plan.max_steps is None:
        # Without a bound there is no record; forward mode goes through the loop itself.
        return lambda operands, settings: _single(plan, operands, settings)
    forward = batch_native(_kernel(plan, _single), _forward_lanes(plan))
    recorder = batch_native(_kernel(plan, _recorded), lambda *args: _recorded_lanes(plan, *args))

    @jax.custom_jvp
    def plain(operands, settings):
        return forward(operands, settings)

    @jax.custom_jvp
    def recorded(operands, settings):
        return recorder(operands, settings)

    @functools.partial(plain.defjvp, symbolic_zeros=True)
    def plain_jvp(primals, tangents):
        operands, settings = primals
        outputs, info, record = recorded(operands, settings)
        moves = _linear_part(plan, operands, settings, record, tangents[0])
        return (outputs, info), (moves, _no_tangent(info))

    @functools.partial(recorded.defjvp, symbolic_zeros=True)
    def recorded_jvp(primals, tangents):
        operands, settings = primals
        outputs, info, record = recorded(operands, settings)
        moves = _linear_part(plan, operands, settings, record, tangents[0])
        return (outputs, info, record), (moves, _no_tangent(info), _no_tangent(record))

    return plain


def _single(plan, whole, settings):
    operands = take_apart(plan, whole)
    outputs, info = outputs_of(plan, One(), operands, settings, integrate(plan, One(), operands, settings))
    return outputs_together(plan, outputs), info


def _lanes(plan, size, axes, whole, settings, linked=True):
    operands, over = take_apart(plan, whole, axes[0]), _over(plan, size, axes)
    if linked or not plan.num_save:
        run = integrate(plan, over, operands, settings)
        run = run._replace(saved=tuple(jnp.moveaxis(leaf, 1, 0) for leaf in run.saved))
    else:
        run = integrate_unlinked(plan, over, operands, settings)
    outputs, info = outputs_of(plan, over, operands, settings, run)
    return jax.vmap(functools.partial(outputs_together, plan))(outputs), info


def _over(plan, size, axes):
    return Lanes(size, (axes_apart(plan, axes[0]), axes[1]))


def _recorded(plan, whole, settings):
    operands = take_apart(plan, whole)
    if plan.delays is not None:
        return _recorded_with_delays(plan, One(), operands, settings, lambda outputs: outputs_together(plan, outputs))
    run = integrate(plan, One(), operands, settings, record=True)
    outputs, info = outputs_of(plan, One(), operands, settings, run)
    record = Record(run.rows, num_rows=info[3], num_accepted=info[3], num_saved=info[4], num_events=info[8])
    return outputs_together(plan, outputs), info, record


def _recorded_with_delays(plan, over, operands, settings, together):
    """Every step with what it looks up, also in a batch: replaying needs all of it."""
    run = integrate(plan.recording, over, operands, settings)
    if over.lead:
        run = run._replace(saved=tuple(jnp.moveaxis(leaf, 1, 0) for leaf in run.saved))
    outputs, info = outputs_of(plan, over, operands, settings, run)
    kept = run.state.history.kept
    return together(outputs), info, Record(kept.rows, info[3], info[3], info[4], info[8], kept.pieces)


def _recorded_lanes(plan, size, axes, whole, settings):
    if plan.delays is not None:
        together = jax.vmap(functools.partial(outputs_together, plan))
        record = lambda size, axes, whole, settings: _recorded_with_delays(
            plan, _over(plan, size, axes), take_apart(plan, whole, axes[0]), settings, together
        )
        return _blocked(record)(size, axes, whole, settings)
    outputs, info = _forward_lanes(plan)(size, axes, whole, settings)
    # Replaying a batch records it anew, so this record is computed only where something else asks for it.
    rows, count = record_lanes(plan, _over(plan, size, axes), take_apart(plan, whole, axes[0]), settings)
    rows = jax.tree_util.tree_map(lambda leaf: jnp.moveaxis(leaf, 1, 0), rows)
    number = vary_like(jnp.broadcast_to(count.astype(info[3].dtype), (size,)), info[3])
    return outputs, info, Record(rows, number, num_accepted=info[3], num_saved=info[4], num_events=info[8])


class Active:
    """Which operands a derivative is taken with respect to; the others have no tangent and need no cotangent."""

    def __init__(self, operands: Operands, tangents: Any):
        leaves, self._treedef = jax.tree_util.tree_flatten(operands)
        self._shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
        moves = self._treedef.flatten_up_to(tangents)
        self._is_active = [not isinstance(move, SymbolicZero) for move in moves]

    def chosen(self, tree: Any) -> list:
        """The leaves of the active operands."""
        pairs = zip(self._treedef.flatten_up_to(tree), self._is_active, strict=True)
        return [leaf for leaf, active in pairs if active]

    def replaced(self, operands: Operands, chosen: Any) -> Operands:
        """The operands with others in the place of the active ones."""
        supply = iter(chosen)
        pairs = zip(self._treedef.flatten_up_to(operands), self._is_active, strict=True)
        leaves = [next(supply) if active else leaf for leaf, active in pairs]
        return jax.tree_util.tree_unflatten(self._treedef, leaves)

    def all(self, chosen: Any) -> Operands:
        """The operands' tangents, zero for those that are not active."""
        zero = lambda shape: vary_like(jnp.zeros(shape.shape, shape.dtype), chosen)
        supply = iter(chosen)
        pairs = zip(self._shapes, self._is_active, strict=True)
        leaves = [next(supply) if active else zero(shape) for shape, active in pairs]
        return jax.tree_util.tree_unflatten(self._treedef, leaves)


def _linear_part(plan: Any, operands: Operands, settings: Settings, record: Record, tangents: Operands) -> Outputs:
    record = lax.stop_gradient(record)
    active = Active(operands, tangents)
    chosen = active.chosen(tangents)
    chosen = vary_like(chosen, operands, chosen, record)
    inputs = RealVector(chosen)
    empty = lambda: outputs_together(plan, plan.empty_outputs(take_apart(plan, operands), settings))
    outputs = RealVector(jax.eval_shape(empty))
    size = outputs.size

    # JAX traces the matrix twice, for itself and to transpose it; under jit the second time costs nothing.
    @jax.jit
    def unrolled_tangents(operands, settings, record, moves):
        def replay(chosen):
            whole = take_apart(plan, active.replaced(operands, chosen))
            return outputs_together(plan, unrolled_outputs(plan, whole, settings, record))

        # The others have no tangent at all: JAX cannot transpose a barrier of some tangents and some zeros.
        return jax.jvp(replay, (active.chosen(operands),), (moves,))[1]

    def matvec(vector):
        image = unrolled_tangents(operands, settings, record, inputs.unpack(vector[size:]))
        return jnp.concatenate([vector[:size] - outputs.pack(image), vector[size:]])

    push, pull = _pushing(plan, active, inputs, outputs), _pulling(plan, active, inputs, outputs)
    solve = lambda _, rhs: push(operands, settings, record, rhs)
    transpose_solve = lambda _, rhs: pull(operands, settings, record, rhs)

    one = _one(inputs.pack(active.chosen(operands)))
    right = one * inputs.pack(chosen)
    zeros = vary_like(jnp.zeros(size, right.dtype), right)
    try:
        solved = lax.custom_linear_solve(matvec, jnp.concatenate([zeros, right]), solve, transpose_solve)
    except ValueError as error:
        if "while_loop" not in str(error):
            raise
        # A loop of unknown length in the vector field has a forward derivative but no transpose, and JAX transposes the
        # matrix at once. Forward mode needs no transpose; in reverse mode JAX then says that it is the loop.
        moves = take_apart(plan, active.all(chosen))
        return outputs_together(plan, push_forward(plan, take_apart(plan, operands), settings, record, moves))
    return outputs.unpack(one * solved[:size])


@jax.custom_jvp
def _one(operands: Any) -> Any:
    """One, whose tangent is an array with a zero: what it multiplies has an array as its tangent.

    Where a solution is linear in the operands the matrix does not depend on them, although the functions that solve
    with it do. JAX's rule for a linear solve then hands on the tangent of its right-hand side (once transposed, of the
    cotangent) as it is, and a symbolic zero is an error.
    """
    return vary_like(jnp.ones((), operands.dtype), operands)


_one.defjvp(lambda primals, tangents: (_one(*primals), vary_like(jnp.zeros((), primals[0].dtype), *primals, *tangents)))


def _pushing(plan: Any, active: Any, inputs: RealVector, outputs: RealVector) -> Any:
    """`(operands, settings, record, rhs) -> solution` of the linear system, for one and for many lanes."""
    size = outputs.size

    def single(whole, settings, record, rhs):
        tangents = take_apart(plan, active.all(inputs.unpack(rhs[size:])))
        image = push_forward(plan, take_apart(plan, whole), settings, record, tangents)
        return jnp.concatenate([rhs[:size] + outputs.pack(outputs_together(plan, image)), rhs[size:]])

    def many(number, axes, whole, settings, counts, rhs):
        rhs = _with_lanes(number, axes[3], rhs)
        tangents = jax.vmap(lambda rhs: take_apart(plan, active.all(inputs.unpack(rhs[size:]))))(rhs)
        operands = take_apart(plan, whole, axes[0])
        over = _over(plan, number, axes)
        if plan.delays is None:
            image = push_lanes(plan, over, operands, settings, tangents, 0)
        else:
            image = plan.delays.push_lanes(plan, over, operands, settings, counts, tangents, (axes[2], 0))
        pack = lambda image: outputs.pack(outputs_together(plan, image))
        return jax.vmap(lambda rhs, image: jnp.concatenate([rhs[:size] + pack(image), rhs[size:]]))(rhs, image)

    return _for_record(plan, single, many)


def _pulling(plan: Any, active: Any, inputs: RealVector, outputs: RealVector) -> Any:
    """The same for the transposed system."""
    size = outputs.size

    def cotangents_of(rhs):
        return outputs_apart(plan, outputs.unpack_cotangent(rhs[:size]))

    def add(rhs, back):
        chosen = active.chosen(put_together(plan, back))
        return jnp.concatenate([rhs[:size], rhs[size:] + inputs.pack_cotangent(chosen)])

    def single(whole, settings, record, rhs):
        return add(rhs, pull_back(plan, take_apart(plan, whole), settings, record, cotangents_of(rhs)))

    def many(number, axes, whole, settings, counts, rhs):
        rhs = _with_lanes(number, axes[3], rhs)
        operands, cotangents = take_apart(plan, whole, axes[0]), jax.vmap(cotangents_of)(rhs)
        over = _over(plan, number, axes)
        pull = pull_lanes if plan.delays is None else plan.delays.pull_lanes
        return jax.vmap(add)(rhs, pull(plan, over, operands, settings, counts, cotangents, (axes[2], 0)))

    return _for_record(plan, single, many)


def _for_record(plan: Any, single: Any, many: Any) -> Any:
    """`single` for one record; `many` where every lane has its own, which is then not read but made anew.

    With delays it is read: `many` gets it in place of its counts.
    """

    def lanes(number, axes, operands, settings, record, rhs):
        if not _has_lanes(axes[2]):
            return jax.vmap(single, axes, axis_size=number)(operands, settings, record, rhs)
        if plan.delays is not None:
            return _blocked(many)(number, axes, operands, settings, record, rhs)
        counts, counts_axes = ((r.num_accepted, r.num_saved, r.num_events) for r in (record, axes[2]))
        return _blocked(many)(number, (*axes[:2], counts_axes, axes[3]), operands, settings, counts, rhs)

    return batch_native(undifferentiated_kernel(single), lanes)


def _has_lanes(axes: Any) -> bool:
    return any(axis == 0 for axis in jax.tree_util.tree_leaves(axes))


def _with_lanes(number: int, axis: Any, value: Any) -> Any:
    return value if axis == 0 else jnp.broadcast_to(value, (number, *value.shape))


def _kernel(plan: Any, function: Any) -> Any:
    return undifferentiated_kernel(lambda operands, settings: function(plan, operands, settings))


def _forward_lanes(plan: Any) -> Any:
    """Many lanes forwards: linked at the save times where that makes one kernel of them, else each for itself."""
    alone = lambda number, axes, *args: _lanes(plan, number, axes, *args, linked=False)
    return _blocked(lambda number, axes, *args: _lanes(plan, number, axes, *args), alone)


def _blocked(lanes: Any, otherwise: Any = None) -> Any:
    """Run lanes in blocks that stay in the cache, where each block is one kernel; otherwise all together."""

    def call(number, axes, *args):
        def make(count):
            some = jax.tree_util.tree_map(lambda leaf, axis: leaf[:count] if axis == 0 else leaf, args, axes)
            return (lambda *args: lanes(count, axes, *args)), some

        block = lanes_in_one_kernel(make, min(number, BLOCK))
        if not block:
            # A network, say: its matrix products want as many rows as there are.
            return (otherwise or lanes)(number, axes, *args)

        def kernel(count, *args):
            return undifferentiated_kernel(lambda *args: lanes(count, axes, *args))(*args)

        return in_blocks(kernel, number, axes, args, block)

    return call


def _no_tangent(tree: Any) -> Any:
    def zero(leaf):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            return jnp.zeros_like(leaf)
        return np.zeros(leaf.shape, jax.dtypes.float0)

    return jax.tree_util.tree_map(zero, tree)
