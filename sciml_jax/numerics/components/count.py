"""What evaluating a jaxpr by components would cost, from the jaxpr alone."""

import math
from typing import Any

from jax.extend.core import ClosedJaxpr

from .elementwise import ELEMENTWISE, FREE

# Defaults of `evaluate`.
MAX_SIZE = 64
MAX_MULTIPLY_ADDS = 512  # 8 by 8 times 8 by 8
# A scan of at most this many scalar operations in all is written out.
UNROLL_LIMIT = 256

_REDUCTIONS = ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_and", "reduce_or", "reduce_xor")
_CUMULATIVE = ("cumsum", "cumprod", "cummax", "cummin")
_SCATTERS = ("scatter-add", "scatter-sub", "scatter-mul", "scatter-min", "scatter-max")
_MOVES = frozenset(
    """
    reshape transpose broadcast_in_dim slice squeeze expand_dims rev concatenate stack split unstack pad iota
    dynamic_slice dynamic_update_slice gather scatter optimization_barrier
    """.split()  # noqa: SIM905
)


def count_scalar_operations(jaxpr: ClosedJaxpr, max_size: int = MAX_SIZE) -> int:
    """Number of scalar operations that `evaluate` would emit: an upper estimate, since constants may fold some away.

    One per element of an elementwise result or of a reduction's operand, one per multiply-add of a matrix product, one
    for an equation that stays on arrays. Called functions and all branches count; the body of a ``while`` counts once,
    that of a ``scan`` as often as it is written out.
    """
    return sum(_equation_count(eqn, max_size) for eqn in _equations(jaxpr))


def should_use_components(jaxpr: ClosedJaxpr, limit: int, max_size: int = MAX_SIZE) -> bool:
    """Whether evaluating `jaxpr` by components emits at most `limit` scalar operations and its results are small.

    Compile time grows with the number of scalar operations in a step: divide the limit for a step by the stages it has.
    False where an output has more than `max_size` elements.
    """
    out_avals: Any = jaxpr.out_avals
    if any(math.prod(aval.shape) > max_size for aval in out_avals):
        return False
    return count_scalar_operations(jaxpr, max_size) <= limit


def contains_large_dot(jaxpr: Any, max_size: int = MAX_SIZE, max_multiply_adds: int = MAX_MULTIPLY_ADDS) -> bool:
    """Whether a matrix product occurs that is too large to be written out, as in a neural network.

    Too large: an operand or the result has more than `max_size` elements, or it takes more than `max_multiply_adds`.
    """
    return any(
        _is_large_dot(eqn, max_size, max_multiply_adds)
        or any(contains_large_dot(inner, max_size, max_multiply_adds) for inner in _inner_jaxprs(eqn))
        for eqn in _equations(jaxpr)
    )


def _is_large_dot(eqn: Any, max_size: int, max_multiply_adds: int) -> bool:
    if eqn.primitive.name != "dot_general":
        return False
    largest = max(var.aval.size for var in (*eqn.invars, *eqn.outvars))
    return largest > max_size or multiply_adds(eqn) > max_multiply_adds


def multiply_adds(eqn: Any) -> int:
    """Scalar multiplications of a ``dot_general``."""
    contract, _ = eqn.params["dimension_numbers"]
    shape = eqn.invars[0].aval.shape
    return eqn.outvars[0].aval.size * math.prod(shape[d] for d in contract[0])


def _equations(jaxpr: Any) -> list:
    return getattr(jaxpr, "jaxpr", jaxpr).eqns


def _inner_jaxprs(eqn: Any) -> list:
    found = []
    for value in eqn.params.values():
        items = value if isinstance(value, (tuple, list)) else (value,)
        found.extend(item for item in items if hasattr(item, "eqns") or hasattr(item, "jaxpr"))
    return found


def _equation_count(eqn: Any, max_size: int) -> int:
    name = eqn.primitive.name
    if name == "scan":
        body = count_scalar_operations(eqn.params["jaxpr"], max_size)
        total = body * eqn.params["length"]
        return total if total <= UNROLL_LIMIT else body
    inner = [] if name in _SCATTERS or name == "custom_vjp_call" else _inner_jaxprs(eqn)
    if inner:
        return sum(count_scalar_operations(jaxpr, max_size) for jaxpr in inner)
    if name in FREE or name in _MOVES:
        return 0
    sizes = [math.prod(var.aval.shape) for var in (*eqn.invars, *eqn.outvars) if hasattr(var.aval, "shape")]
    if max(sizes, default=0) > max_size:
        return 1
    if name in ELEMENTWISE:
        return sizes[-1]
    if name in _REDUCTIONS or name in _CUMULATIVE:
        return sizes[0]
    if name in _SCATTERS:
        return math.prod(eqn.invars[2].aval.shape)
    return multiply_adds(eqn) if name == "dot_general" and multiply_adds(eqn) <= MAX_MULTIPLY_ADDS else 1
