"""Whether a problem was stiff where an explicit method ran out of steps."""

from typing import Any

import jax.numpy as jnp

from .operands import Operands, Settings


def is_stiff(plan: Any, operands: Operands, settings: Settings, state: Any) -> Any:
    """Whether stability limits the step: `h |lambda|` at the end, lambda from a difference along one direction.

    Where stability limits an explicit method, its error estimate points along the fast direction and `h |lambda|` sits
    at the edge of the stability region (about 3); where accuracy limits it, `h |lambda|` is well below. A difference,
    because the vector field need not have a forward derivative.
    """
    system = plan.bind(operands.theta, settings)
    tb = state.t + jnp.sign(operands.t1 - operands.t0) * state.h
    error = plan.method.step(system, state.t, tb, state.y, state.carried).error
    eps = jnp.sqrt(jnp.finfo(state.y[0].dtype).eps)
    shift = eps * jnp.maximum(_size(state.y), jnp.finfo(state.y[0].dtype).tiny) / _size(error)
    moved = tuple(y + (shift * e).astype(y.dtype) for y, e in zip(state.y, error, strict=True))
    slopes = system.vector_field(state.t, state.y), system.vector_field(state.t, moved)
    changes = [tuple(b - a for a, b in zip(*pair, strict=True)) for pair in (slopes, (state.y, moved))]
    return state.h * _size(changes[0]) / _size(changes[1]) > 1.5


def _size(leaves):
    return jnp.sqrt(sum(jnp.sum(jnp.abs(leaf) ** 2) for leaf in leaves))
