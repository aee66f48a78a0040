"""Reductions, cumulative reductions and small matrix products, written out."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .elementwise import scalar_params
from .values import Value, constant, fill


def _combiner(context: Any, operation: str, dtype: Any) -> Callable:
    return lambda x, y: context.arithmetic.combine(operation, x, y, dtype)


def _identity_of(name: str, dtype: Any) -> Any:
    """The result of reducing nothing."""
    if name == "add" or name == "xor" or (name == "or" and dtype == np.bool_):
        return constant(0, dtype)
    if name == "mul" or (name == "and" and dtype == np.bool_):
        return constant(1, dtype)
    return None


def _chain(combine: Callable, entries: Any, empty: Any) -> Any:
    entries = list(entries)
    if not entries:
        return empty
    total = entries[0]
    for entry in entries[1:]:
        total = combine(total, entry)
    return total


def _reduce(operation: str) -> Callable:
    def rule(context: Any, eqn: Any, values: list[Value]) -> list[Value]:
        (value,), aval, axes = values, eqn.outvars[0].aval, eqn.params["axes"]
        empty = _identity_of(operation, aval.dtype)
        if value.size == 0 and empty is None:
            return NotImplemented
        kept = [d for d in range(len(value.shape)) if d not in axes]
        rows = value.entries.transpose(*kept, *axes).reshape(aval.size, -1) if aval.size else np.empty((0, 0), object)
        combine = _combiner(context, operation, aval.dtype)
        return [Value(aval.shape, aval.dtype, entries=fill([_chain(combine, row, empty) for row in rows], aval.shape))]

    return rule


def _cumulate(operation: str) -> Callable:
    def rule(context: Any, eqn: Any, values: list[Value]) -> list[Value]:
        (value,), axis, reverse = values, eqn.params["axis"], eqn.params["reverse"]
        combine = _combiner(context, operation, value.dtype)
        out = np.moveaxis(value.entries.copy(), axis, 0)
        out = out[::-1] if reverse else out
        for i in range(1, out.shape[0]):
            for where in np.ndindex(*out.shape[1:]):
                out[(i, *where)] = combine(out[(i - 1, *where)], out[(i, *where)])
        out = out[::-1] if reverse else out
        return [Value(value.shape, value.dtype, entries=np.moveaxis(out, 0, axis))]

    return rule


def _dot_general(context: Any, eqn: Any, values: list[Value]) -> list[Value]:
    left, right = values
    aval = eqn.outvars[0].aval
    same = left.dtype == right.dtype == aval.dtype
    # Half precision is accumulated in more digits by XLA; leave that to it.
    if context.keep_dots or not same or aval.dtype.itemsize < 4:
        return NotImplemented
    (left_contract, right_contract), (left_batch, right_batch) = eqn.params["dimension_numbers"]
    x = _as_batched_matrix(left.entries, left_batch, left_contract)
    y = _as_batched_matrix(right.entries, right_batch, right_contract)
    add, multiply = _combiner(context, "add", aval.dtype), _combiner(context, "mul", aval.dtype)
    zero, out = constant(0, aval.dtype), []
    for rows, columns in zip(x, y, strict=True):
        for row in rows:
            for column in columns:
                terms = [multiply(a, b) for a, b in zip(row, column, strict=True)]
                out.append(_chain(add, terms, zero))
    return [Value(aval.shape, aval.dtype, entries=fill(out, aval.shape))]


def _as_batched_matrix(x: np.ndarray, batch: Any, contract: Any) -> np.ndarray:
    free = [d for d in range(x.ndim) if d not in {*batch, *contract}]
    shape = [math.prod(x.shape[d] for d in dims) for dims in (batch, free, contract)]
    return x.transpose(*batch, *free, *contract).reshape(shape)


def _barrier(context: Any, eqn: Any, values: list[Value]) -> list[Value]:
    """``optimization_barrier``: one barrier over all scalars."""
    if not all(value.dtype == var.aval.dtype for value, var in zip(values, eqn.outvars, strict=True)):
        return NotImplemented
    flat = [entry for value in values for entry in value.entries.reshape(-1)]
    params, _ = scalar_params(eqn)
    outs = iter(eqn.primitive.bind(*flat, **params) if flat else [])
    return [Value(v.shape, v.dtype, entries=fill([next(outs) for _ in range(v.size)], v.shape)) for v in values]


RULES = {
    "reduce_sum": _reduce("add"),
    "reduce_prod": _reduce("mul"),
    "reduce_max": _reduce("max"),
    "reduce_min": _reduce("min"),
    "reduce_and": _reduce("and"),
    "reduce_or": _reduce("or"),
    "reduce_xor": _reduce("xor"),
    "cumsum": _cumulate("add"),
    "cumprod": _cumulate("mul"),
    "cummax": _cumulate("max"),
    "cummin": _cumulate("min"),
    "dot_general": _dot_general,
    "optimization_barrier": _barrier,
}
