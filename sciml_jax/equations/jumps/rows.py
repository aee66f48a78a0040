"""Some rows of a traced function's result, without computing the others."""

import functools
from collections.abc import Callable
from math import prod
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.extend.core import Literal

from ...numerics.components.elementwise import ELEMENTWISE
from ...numerics.components.scalar import bind

MOST_PIECES = 32
"""Pieces of a concatenation up to which each is asked for its rows."""


def rows_of(closed: Any, args: tuple, rows: Any) -> Any:
    """`closed(*args)[rows]` for a program with one result of shape (R, ...), `rows` an integer array (D,).

    Walks back from the result: elementwise operations, broadcasts, reshapes that keep the first axis, indexing,
    products with a matrix and reductions of other axes are evaluated on D rows; what else occurs is evaluated whole,
    and its rows are read. Always right, and fast for programs written on arrays.
    """
    jaxpr, consts = closed.jaxpr, closed.consts
    return _scope(jaxpr, consts, [_Given(x) for x in args])[0].rows(rows)


class _Given:
    """A value at hand."""

    def __init__(self, value: Any):
        self.value = value

    def whole(self) -> Any:
        """The array."""
        return self.value

    def rows(self, rows: Any) -> Any:
        """Some of its rows."""
        return jnp.asarray(self.value).at[rows].get(mode="promise_in_bounds")


class _Computed:
    """A result of an equation, computed when asked for."""

    def __init__(self, eqn: Any, index: int, inputs: list):
        self.eqn, self.index, self.inputs = eqn, index, inputs
        self.aval = eqn.outvars[index].aval
        self._seen: dict = {}

    @functools.cached_property
    def inner(self) -> Any:
        """The same result inside a called function, or None."""
        if self.eqn.primitive.name not in ("jit", "pjit", "closed_call", "custom_jvp_call"):
            return None
        closed = self.eqn.params.get("jaxpr") or self.eqn.params.get("call_jaxpr")
        return _scope(closed.jaxpr, closed.consts, self.inputs)[self.index]

    @functools.cached_property
    def _whole(self) -> Any:
        if self.inner is not None:
            return self.inner.whole()
        return bind(self.eqn, [source.whole() for source in self.inputs])[self.index]

    def whole(self) -> Any:
        """The array."""
        return self._whole

    def rows(self, rows: Any) -> Any:
        """Some of its rows."""
        if self.inner is not None:
            return self.inner.rows(rows)
        if id(rows) not in self._seen:
            # The rows are kept, lest another array take their place in memory.
            self._seen[id(rows)] = rows, self._rows(rows)
        return self._seen[id(rows)][1]

    def _rows(self, rows):
        name = self.eqn.primitive.name
        rule = _elementwise if name in ELEMENTWISE else _RULES.get(name)
        found = None if rule is None or not self.aval.shape else rule(self.eqn, self.aval.shape, self.inputs, rows)
        return jnp.asarray(self.whole()).at[rows].get(mode="promise_in_bounds") if found is None else found


def _scope(jaxpr: Any, consts: Any, inputs: list) -> list:
    known: dict = dict(zip(jaxpr.constvars, [_Given(c) for c in consts], strict=True))
    known.update(zip(jaxpr.invars, inputs, strict=True))
    read = lambda var: _Given(var.val) if isinstance(var, Literal) else known[var]
    for eqn in jaxpr.eqns:
        sources = [read(var) for var in eqn.invars]
        known.update((var, _Computed(eqn, i, sources)) for i, var in enumerate(eqn.outvars))
    return [read(var) for var in jaxpr.outvars]


def _elementwise(eqn, shape, inputs, rows):
    def part(source, var):
        if var.aval.shape == shape:
            return source.rows(rows)
        return jnp.broadcast_to(jnp.asarray(source.whole(), var.aval.dtype), (rows.shape[0], *shape[1:]))

    return bind(eqn, [part(*pair) for pair in zip(inputs, eqn.invars, strict=True)])[0]


def _broadcast(eqn, shape, inputs, rows):
    dims, given = eqn.params["broadcast_dimensions"], eqn.invars[0].aval.shape
    varies = 0 in dims and given[dims.index(0)] == shape[0] and shape[0] > 1
    if varies and dims.index(0) != 0:
        return None
    value = inputs[0].rows(rows) if varies else inputs[0].whole()
    return lax.broadcast_in_dim(jnp.asarray(value), (rows.shape[0], *shape[1:]), dims)


def _reshape(eqn, shape, inputs, rows):
    given = eqn.invars[0].aval.shape
    if not given or given[0] != shape[0] or eqn.params.get("dimensions") is not None:
        return None
    return inputs[0].rows(rows).reshape(rows.shape[0], *shape[1:])


def _gather(eqn, shape, inputs, rows):
    del shape
    numbers = eqn.params["dimension_numbers"]
    if 0 in numbers.offset_dims or numbers.operand_batching_dims or len(eqn.invars[1].aval.shape) < 2:
        return None
    return bind(eqn, [inputs[0].whole(), inputs[1].rows(rows)])[0]


def _slice(eqn, shape, inputs, rows):
    strides = eqn.params["strides"] or (1,) * len(shape)
    starts, limits = eqn.params["start_indices"], eqn.params["limit_indices"]
    taken = inputs[0].rows(starts[0] + rows * strides[0])
    cut = [slice(a, b, s) for a, b, s in zip(starts[1:], limits[1:], strides[1:], strict=True)]
    return taken[(slice(None), *cut)]


def _concatenate(eqn, shape, inputs, rows):
    if eqn.params["dimension"] != 0:
        return jnp.concatenate([source.rows(rows) for source in inputs], axis=eqn.params["dimension"])
    if len(inputs) > MOST_PIECES:
        return None
    out, start = None, 0
    for source, var in zip(inputs, eqn.invars, strict=True):
        length = var.aval.shape[0]
        piece = source.rows(jnp.clip(rows - start, 0, length - 1))
        inside = (rows >= start).reshape(-1, *(1 for _ in shape[1:]))
        out = piece if out is None else jnp.where(inside, piece, out)
        start += length
    return out


def _dot(eqn, shape, inputs, rows):
    del shape
    (contract, _), (batch, _) = eqn.params["dimension_numbers"]
    left = eqn.invars[0].aval.shape
    if batch or 0 in contract or not left or prod(left) == 0:
        return None
    return bind(eqn, [inputs[0].rows(rows), inputs[1].whole()])[0]


def _reduction(eqn, shape, inputs, rows):
    del shape
    return None if 0 in eqn.params["axes"] else bind(eqn, [inputs[0].rows(rows)])[0]


def _iota(eqn, shape, inputs, rows):
    del inputs
    if eqn.params["dimension"] != 0:
        return None
    values = rows.astype(eqn.params["dtype"]).reshape(-1, *(1 for _ in shape[1:]))
    return jnp.broadcast_to(values, (rows.shape[0], *shape[1:]))


_RULES: dict[str, Callable] = {
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": _reshape,
    "expand_dims": _reshape,
    "gather": _gather,
    "slice": _slice,
    "concatenate": _concatenate,
    "dot_general": _dot,
    "iota": _iota,
    **{f"reduce_{name}": _reduction for name in ("sum", "prod", "max", "min", "and", "or")},
}
