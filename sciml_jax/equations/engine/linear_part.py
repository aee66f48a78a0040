"""From tangents of the operands to tangents of the outputs: a linear system whose solution is known.

    [ I  -L ] [ dout ]   [ 0  ]
    [ 0   I ] [ dop  ] = [ dop ]

It is handed to `lax.custom_linear_solve`: its `solve` is a loop that pushes tangents forward through the record, its
`transpose_solve` a loop that pulls cotangents back, so both modes have a dynamic number of iterations. JAX
differentiates the system itself for higher orders through its matrix, which is written as a `scan` over all `max_steps`
rows and is run only then.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ...numerics.batching import batch_native
from ...numerics.deferred import deferred
from ...numerics.flatten import RealVector
from ...numerics.loops import vary_like
from ...numerics.one_kernel import undifferentiated_kernel
from .active import Active
from .lane_blocks import blocked, lanes_over
from .operands import Operands, Settings
from .record import Record
from .replay import pull_back, push_forward
from .replay_lanes import pull_lanes, push_lanes
from .replay_row import Outputs
from .unrolled import unrolled_outputs
from .whole import axes_apart, outputs_apart, outputs_together, put_together, take_apart


def linear_part(plan: Any, operands: Operands, settings: Settings, record: Record, tangents: Operands) -> Outputs:
    """Tangents of the outputs from tangents of the operands, symbolic zeros among them; all whole."""
    record = lax.stop_gradient(record)
    active = Active(operands, tangents)
    chosen = active.chosen(tangents)
    chosen = vary_like(chosen, operands, chosen, record)
    inputs = RealVector(chosen)
    empty = lambda: outputs_together(plan, plan.empty_outputs(take_apart(plan, operands), settings))
    outputs = RealVector(jax.eval_shape(empty))
    size = outputs.size

    def image(operands, settings, record, vector):
        """What the matrix makes of a vector, by the scan over all rows."""

        def replay(chosen):
            whole = take_apart(plan, active.replaced(operands, chosen))
            return outputs_together(plan, unrolled_outputs(plan, whole, settings, record))

        # The others have no tangent at all: JAX cannot transpose a barrier of some tangents and some zeros.
        moves = jax.jvp(replay, (active.chosen(operands),), (inputs.unpack(vector[size:]),))[1]
        return jnp.concatenate([vector[:size] - outputs.pack(moves), vector[size:]])

    one = _one(inputs.pack(active.chosen(operands)))
    right = one * inputs.pack(chosen)
    right = jnp.concatenate([vary_like(jnp.zeros(size, right.dtype), right), right])
    # A program has one of the three at most, and the matrix for second and higher derivatives only.
    matrix, push, pull = (
        functools.partial(deferred(function, right), operands, settings, record)
        for function in (image, _pushing(plan, active, inputs, outputs), _pulling(plan, active, inputs, outputs))
    )
    solved = lax.custom_linear_solve(matrix, right, lambda _, rhs: push(rhs), lambda _, rhs: pull(rhs))
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
        over = lanes_over(plan, number, axes)
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
    wanted = axes_apart(plan, active.flags())

    def cotangents_of(rhs):
        return outputs_apart(plan, outputs.unpack_cotangent(rhs[:size]))

    def add(rhs, back):
        chosen = active.chosen(put_together(plan, back))
        return jnp.concatenate([rhs[:size], rhs[size:] + inputs.pack_cotangent(chosen)])

    def single(whole, settings, record, rhs):
        return add(rhs, pull_back(plan, take_apart(plan, whole), settings, record, cotangents_of(rhs), wanted))

    def many(number, axes, whole, settings, counts, rhs):
        rhs = _with_lanes(number, axes[3], rhs)
        operands, cotangents = take_apart(plan, whole, axes[0]), jax.vmap(cotangents_of)(rhs)
        over = lanes_over(plan, number, axes)
        pull = functools.partial(pull_lanes, wanted=wanted) if plan.delays is None else plan.delays.pull_lanes
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
            return blocked(many)(number, axes, operands, settings, record, rhs)
        counts, counts_axes = ((r.num_accepted, r.num_saved, r.num_events) for r in (record, axes[2]))
        return blocked(many)(number, (*axes[:2], counts_axes, axes[3]), operands, settings, counts, rhs)

    return batch_native(undifferentiated_kernel(single), lanes)


def _has_lanes(axes: Any) -> bool:
    return any(axis == 0 for axis in jax.tree_util.tree_leaves(axes))


def _with_lanes(number: int, axis: Any, value: Any) -> Any:
    return value if axis == 0 else jnp.broadcast_to(value, (number, *value.shape))
