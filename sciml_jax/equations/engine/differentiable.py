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

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...numerics.flatten import RealVector
from ...numerics.loops import vary_like
from .forward import State, integrate
from .operands import Operands, Settings
from .record import Record, integrate_recorded
from .replay import pull_back, push_forward
from .replay_row import Outputs
from .unrolled import unrolled_outputs


def differentiable_integration(plan: Any):
    """`(operands, settings) -> (Outputs, info)`; derivatives with respect to `operands` only.

    `info` is a tuple of floats (time reached, step size, counts, status) without derivatives: floats, because integer
    outputs of a custom rule would need tangents of a type that `shard_map`'s varying-axes check refuses.
    """

    @jax.custom_jvp
    def plain(operands, settings):
        return _split(integrate(plan, operands, settings))

    @jax.custom_jvp
    def recorded(operands, settings):
        state, record = integrate_recorded(plan)(operands, settings)
        return *_split(state), record

    @plain.defjvp
    def plain_jvp(primals, tangents):
        operands, settings = primals
        outputs, info, record = recorded(operands, settings)
        moves = _linear_part(plan, operands, settings, record, tangents[0])
        return (outputs, info), (moves, _no_tangent(info))

    @recorded.defjvp
    def recorded_jvp(primals, tangents):
        operands, settings = primals
        outputs, info, record = recorded(operands, settings)
        moves = _linear_part(plan, operands, settings, record, tangents[0])
        return (outputs, info, record), (moves, _no_tangent(info), _no_tangent(record))

    if plan.max_steps is None:
        # Without a bound there is no record; forward mode goes through the loop itself.
        return lambda operands, settings: _split(integrate(plan, operands, settings))
    return plain


def _linear_part(plan: Any, operands: Operands, settings: Settings, record: Record, tangents: Operands) -> Outputs:
    record = lax.stop_gradient(record)
    tangents = vary_like(tangents, operands, tangents, record)
    inputs, outputs = RealVector(operands), RealVector(plan.empty_outputs(operands, settings))
    size = outputs.size

    # JAX traces the matrix twice, for itself and to transpose it; under jit the second time costs nothing.
    @jax.jit
    def unrolled_tangents(operands, settings, record, moves):
        return jax.jvp(lambda op: unrolled_outputs(plan, op, settings, record), (operands,), (moves,))[1]

    def matvec(vector):
        image = unrolled_tangents(operands, settings, record, inputs.unpack(vector[size:]))
        return jnp.concatenate([vector[:size] - outputs.pack(image), vector[size:]])

    def solve(_, rhs):
        image = push_forward(plan)(operands, settings, record, inputs.unpack(rhs[size:]))
        return jnp.concatenate([rhs[:size] + outputs.pack(image), rhs[size:]])

    def transpose_solve(_, rhs):
        back = pull_back(plan)(operands, settings, record, outputs.unpack_cotangent(rhs[:size]))
        return jnp.concatenate([rhs[:size], rhs[size:] + inputs.pack_cotangent(back)])

    right = inputs.pack(tangents)
    zeros = vary_like(jnp.zeros(size, right.dtype), right)
    try:
        solved = lax.custom_linear_solve(matvec, jnp.concatenate([zeros, right]), solve, transpose_solve)
    except ValueError as error:
        if "while_loop" not in str(error):
            raise
        # A loop of unknown length in the vector field has a forward derivative but no transpose, and JAX transposes the
        # matrix at once. Forward mode needs no transpose; in reverse mode JAX then says that it is the loop.
        return push_forward(plan, batch_aware=False)(operands, settings, record, tangents)
    return outputs.unpack(solved[:size])


def _split(state: State) -> tuple[Outputs, tuple]:
    outputs = Outputs(state.y, state.saved, state.stepped, state.pieces)
    counts = (state.num_steps, state.num_accepted, state.cursor, state.status)
    info = (state.t, state.h, *(count.astype(state.t.dtype) for count in counts), state.piece_ends)
    return outputs, lax.stop_gradient(info)


def _no_tangent(tree: Any) -> Any:
    def zero(leaf):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            return jnp.zeros_like(leaf)
        return np.zeros(leaf.shape, jax.dtypes.float0)

    return jax.tree_util.tree_map(zero, tree)
