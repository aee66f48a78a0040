"""One primitive applied to scalars: folding of known values, binding, and reuse of what was already computed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from jax import lax

from .values import constant, is_constant
from .varying import align


def _unary(fn: Callable) -> Callable:
    return lambda x, **_: fn(x)


def _binary(fn: Callable) -> Callable:
    return lambda x, y, **_: fn(x, y)


def _divide(x, y, **_):
    if np.issubdtype(x.dtype, np.inexact):
        return np.true_divide(x, y)
    return None if y == 0 else np.trunc(np.true_divide(x, y)) if abs(int(x)) < 2**52 else None


def _remainder(x, y, **_):
    return None if np.issubdtype(y.dtype, np.integer) and y == 0 else np.fmod(x, y)


def _integer_power(x, *, y, **_):
    if y < 0 or x.dtype.kind not in "iufc":
        return None
    out = x.dtype.type(1)
    for _i in range(y):
        out = out * x
    return out


def _power(x, y, **_):
    return np.power(x, y.astype(x.dtype)) if x.dtype.kind == "f" else None


def _convert(x, *, new_dtype, **_):
    if x.dtype.kind not in "biufc" or np.dtype(new_dtype).kind not in "biufc":
        return None
    if x.dtype.kind in "fc" and np.dtype(new_dtype).kind in "iu":
        limits = np.iinfo(new_dtype)
        return x if x.dtype.kind == "f" and limits.min < x < limits.max else None
    return x.real if x.dtype.kind == "c" and np.dtype(new_dtype).kind != "c" else x


# What NumPy evaluates while tracing when every operand is known; None where its meaning could differ from XLA's.
KNOWN: dict[str, Callable] = {
    "add": _binary(np.add),
    "add_any": _binary(np.add),
    "sub": _binary(np.subtract),
    "mul": _binary(np.multiply),
    "div": _divide,
    "rem": _remainder,
    "pow": _power,
    "integer_pow": _integer_power,
    "max": _binary(np.maximum),
    "min": _binary(np.minimum),
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "neg": _unary(np.negative),
    "abs": _unary(np.abs),
    "sign": lambda x: np.sign(x) if x.dtype.kind in "iuf" else None,
    "square": _unary(np.square),
    "sqrt": _unary(np.sqrt),
    "exp": _unary(np.exp),
    "log": _unary(np.log),
    "sin": _unary(np.sin),
    "cos": _unary(np.cos),
    "tanh": _unary(np.tanh),
    "floor": _unary(np.floor),
    "ceil": _unary(np.ceil),
    "is_finite": _unary(np.isfinite),
    "real": _unary(np.real),
    "imag": _unary(np.imag),
    "conj": _unary(np.conj),
    "complex": lambda x, y: complex(x, y),
    "eq": _binary(np.equal),
    "ne": _binary(np.not_equal),
    "lt": _binary(np.less),
    "le": _binary(np.less_equal),
    "gt": _binary(np.greater),
    "ge": _binary(np.greater_equal),
    "and": _binary(np.bitwise_and),
    "or": _binary(np.bitwise_or),
    "xor": _binary(np.bitwise_xor),
    "not": _unary(np.invert),
    "convert_element_type": _convert,
    "stop_gradient": lambda x: x,
    "pvary": _unary(lambda x: x),
    "name": _unary(lambda x: x),
}


# The public functions, not the primitives: the latter's parameters differ between versions of JAX.
BINARY: dict[str, Callable] = {
    "add": lax.add,
    "sub": lax.sub,
    "mul": lax.mul,
    "max": lax.max,
    "min": lax.min,
    "and": lax.bitwise_and,
    "or": lax.bitwise_or,
    "xor": lax.bitwise_xor,
}


def bind(eqn: Any, arrays: Any) -> list:
    """The equation as it stands, on arrays: its results as a list."""
    outs = eqn.primitive.bind(*arrays, **eqn.primitive.get_bind_params(eqn.params))
    return list(outs) if eqn.primitive.multiple_results else [outs]


class Arithmetic:
    """Applies primitives to scalars within one trace, each combination of operands once.

    Parameters
    ----------
    fold_zero_products
        Whether ``0 * x`` and ``0 / x`` are 0 when the zero is known. Right for tangents (a structural zero); wrong for
        a program in which `x` may be infinite or NaN.
    """

    def __init__(self, fold_zero_products: bool):
        self.fold_zero_products = fold_zero_products
        self._seen: dict = {}

    def apply(self, primitive: Any, params: dict, key: Any, args: tuple, dtype: Any) -> Any:
        """`primitive` of the scalars `args`; `key` identifies `params` (None: do not look for an earlier result)."""
        emit = partial(primitive.bind, **params)
        return self._once(primitive.name, params, key, args, dtype, emit)

    def combine(self, name: str, x: Any, y: Any, dtype: Any) -> Any:
        """The binary operation `name` (a key of `BINARY`) of two scalars of dtype `dtype`."""
        return self._once(name, {}, (), (x, y), dtype, BINARY[name])

    def neg(self, x: Any, dtype: Any) -> Any:
        """The scalar ``-x``."""
        return self._once("neg", {}, (), (x,), dtype, lax.neg)

    def _once(self, name: str, params: dict, key: Any, args: tuple, dtype: Any, emit: Callable) -> Any:
        folded = self._fold(name, params, args, dtype)
        if folded is not None:
            return folded
        if key is None:
            return emit(*align(args))
        operands = tuple((x.dtype.str, x.tobytes()) if is_constant(x) else id(x) for x in args)
        found = self._seen.get((name, key, operands))
        if found is None:
            # The operands are kept with the result: an id is only unique among living objects.
            found = (emit(*align(args)), args)
            self._seen[(name, key, operands)] = found
        return found[0]

    def _fold(self, name: str, params: dict, args: tuple, dtype: Any) -> Any:
        constants = [is_constant(x) for x in args]
        if all(constants) and name in KNOWN:
            with np.errstate(all="ignore"):
                value = KNOWN[name](*args, **params)
            return None if value is None else constant(value, dtype)
        if name == "select_n":
            return _fold_select(args)
        if name == "convert_element_type" and args[0].dtype == dtype:
            return args[0]
        if name == "integer_pow" and params["y"] == 1:
            return args[0]
        if len(args) != 2 or not any(constants):
            return None
        x, y = args
        if name in ("add", "add_any"):
            return y if _is(x, 0) else x if _is(y, 0) else None
        if name == "sub":
            return x if _is(y, 0) else self.neg(y, dtype) if _is(x, 0) else None
        if name == "mul":
            return self._fold_product(x, y, dtype) if constants[0] else self._fold_product(y, x, dtype)
        if name == "div":
            zero = self.fold_zero_products and _is(x, 0)
            return x if zero or _is(y, 1) else self.neg(x, dtype) if _is(y, -1) else None
        if name in ("and", "or") and dtype == np.bool_:
            known, other = (x, y) if constants[0] else (y, x)
            return other if bool(known) == (name == "and") else known
        return None

    def _fold_product(self, known: Any, other: Any, dtype: Any) -> Any:
        if _is(known, 1):
            return other
        if _is(known, -1):
            return self.neg(other, dtype)
        exact = self.fold_zero_products or np.issubdtype(dtype, np.integer)
        return constant(0, dtype) if exact and _is(known, 0) else None


def _fold_select(args: tuple) -> Any:
    which, *cases = args
    if is_constant(which):
        return cases[int(which)]
    first = cases[0]
    if is_constant(first):
        same = all(is_constant(case) and case.tobytes() == first.tobytes() for case in cases)
    else:
        same = all(case is first for case in cases)
    return first if same else None


def _is(x: Any, value: int) -> bool:
    return is_constant(x) and x.dtype.kind != "b" and bool(x == value)
