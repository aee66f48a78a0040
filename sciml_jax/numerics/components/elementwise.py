"""Elementwise primitives: the same primitive on each scalar."""

from typing import Any

import numpy as np

from .values import Value, fill

ELEMENTWISE = frozenset(
    """
    add add_any sub mul div rem neg sign abs square integer_pow pow sqrt rsqrt cbrt exp exp2 expm1 log log1p log2
    logistic sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh atan2 erf erfc erf_inv lgamma digamma
    polygamma igamma igammac igamma_grad_a bessel_i0e bessel_i1e regularized_incomplete_beta zeta nextafter
    one_minus_square max min clamp select_n eq ne lt le gt ge eq_to lt_to le_to and or xor not shift_left
    shift_right_logical shift_right_arithmetic population_count clz floor ceil round is_finite real imag complex
    conj convert_element_type reduce_precision stop_gradient name
    """.split()  # noqa: SIM905
)
# Not arithmetic: nothing to count, or gone after compilation.
FREE = frozenset(["convert_element_type", "stop_gradient", "pvary", "name", "copy"])


def elementwise(context: Any, eqn: Any, values: list[Value]) -> list[Value]:
    """`eqn.primitive` applied to each position; operands of shape () serve every position."""
    aval = eqn.outvars[0].aval
    params, key = scalar_params(eqn)
    columns = [np.broadcast_to(value.entries, aval.shape).reshape(-1) for value in values]
    apply = context.arithmetic.apply
    flat = [apply(eqn.primitive, params, key, args, aval.dtype) for args in zip(*columns, strict=True)]
    return [Value(aval.shape, aval.dtype, entries=fill(flat, aval.shape))]


def scalar_params(eqn: Any) -> tuple[dict, Any]:
    """The equation's parameters as a scalar operand wants them, and a hashable key for them (or None)."""
    params = dict(eqn.params)
    if "sharding" in params:
        params["sharding"] = None
    key = tuple(sorted(params.items(), key=lambda item: item[0]))
    try:
        hash(key)
    except TypeError:
        return params, None
    return params, key


def identity(context: Any, eqn: Any, values: list[Value]) -> list[Value]:
    """`copy`: a scalar needs no buffer of its own."""
    return list(values)


RULES = {name: elementwise for name in ELEMENTWISE} | {"copy": identity, "copy_p": identity}
