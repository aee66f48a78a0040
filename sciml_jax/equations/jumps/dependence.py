"""Which rates depend on which numbers of the state, read off the program of the rates."""

from typing import Any

import jax
import jax.core
import numpy as np
from jax.extend.core import Literal

from ...numerics.components import Components, count_scalar_operations, evaluate, unpack

MOST_OPERATIONS = 200_000
"""Scalar operations of the rates up to which they are read one by one; it takes about 15 microseconds each."""


def dependence(traced: Any, leaves: list) -> np.ndarray:
    """A boolean matrix (R, n) for a traced function `(t, y, args) -> (R,)`: true where a rate may depend on a number.

    Never lacks a dependence. Beyond `MOST_OPERATIONS`, and through operations whose places are not known when tracing,
    everything depends on everything.
    """
    number, size = traced.out_shape.shape[0], sum(int(np.prod(leaf.shape)) for leaf in leaves)
    limit = _largest(traced.jaxpr.jaxpr)
    if count_scalar_operations(traced.jaxpr, limit) > MOST_OPERATIONS:
        return np.ones((number, size), bool)
    avals: Any = traced.jaxpr.in_avals
    supplied = [_known(x) for x in traced.operands]
    free = [a for a, known in zip(avals[: len(supplied)], supplied, strict=True) if known is None]

    # A zero of a matrix that is part of the program stands for no dependence.
    options = {"max_size": limit, "max_multiply_adds": limit**2, "keep_custom_rules": False, "fold_zero_products": True}

    def scalars(free, t, entries):
        rest, left = iter(free), iter(entries)
        operands = [next(rest) if known is None else known for known in supplied]
        state = [_filled(left, leaf) for leaf in leaves]
        (out,) = evaluate(traced.jaxpr, *operands, t, *state, **options)
        return [jax.numpy.asarray(x) for x in (out if isinstance(out, Components) else unpack(out)).entries.reshape(-1)]

    struct = lambda aval: jax.ShapeDtypeStruct(aval.shape, aval.dtype)
    entries = [jax.ShapeDtypeStruct((), leaf.dtype) for leaf in leaves for _ in range(int(np.prod(leaf.shape)))]
    closed = jax.make_jaxpr(scalars)([struct(a) for a in free], struct(avals[len(supplied)]), entries)
    return _reached(closed.jaxpr, size)


def _largest(jaxpr: Any) -> int:
    """The most numbers in a value of the program."""
    values = [*jaxpr.invars, *jaxpr.constvars, *(v for eqn in jaxpr.eqns for v in (*eqn.invars, *eqn.outvars))]
    return max([64, *(int(np.prod(getattr(v.aval, "shape", ()))) for v in values)])


def _known(operand: Any) -> Any:
    """An operand whose values decide what depends on what, such as a table of indices, where they are known."""
    if isinstance(operand, jax.core.Tracer) or np.dtype(operand.dtype).kind not in "biu":
        return None
    return unpack(np.asarray(operand))


def _filled(entries: Any, leaf: Any) -> Components:
    grid = np.empty(int(np.prod(leaf.shape)), dtype=object)
    for i in range(grid.size):
        grid[i] = next(entries)
    return Components(grid.reshape(leaf.shape), leaf.dtype)


def _reached(jaxpr: Any, size: int) -> np.ndarray:
    """For every output the last `size` inputs that it can be reached from."""
    sources = {var: 1 << i for i, var in enumerate(jaxpr.invars[len(jaxpr.invars) - size :])}
    mask = lambda var: 0 if isinstance(var, Literal) else sources.get(var, 0)
    for eqn in jaxpr.eqns:
        joined = 0
        for var in eqn.invars:
            joined |= mask(var)
        for var in eqn.outvars:
            sources[var] = joined
    rows = [mask(var) for var in jaxpr.outvars]
    return np.array([[bool(row >> i & 1) for i in range(size)] for row in rows], dtype=bool).reshape(len(rows), size)


def dependents_of(changes: np.ndarray, depends: np.ndarray) -> np.ndarray:
    """For every reaction the rates that depend on what it changes, (R, D), padded."""
    of_number = [np.flatnonzero(column) for column in depends.T]
    rows = [[of_number[i] for i in np.flatnonzero(change)] for change in changes]
    return padded([np.unique(np.concatenate(row)) if row else np.zeros(0, int) for row in rows])


def changed_places(changes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every reaction the numbers that it changes, (R, S), padded, and by how much; padding changes nothing."""
    places = padded([np.flatnonzero(change) for change in changes])
    by = np.take_along_axis(changes, places, axis=1)
    repeated = np.concatenate([np.zeros((len(places), 1), bool), places[:, 1:] == places[:, :-1]], axis=1)
    return places, np.where(repeated, 0, by)


def padded(rows: list) -> np.ndarray:
    """Rows of different lengths as one table of at least one column: short ones repeat their last entry, or zero."""
    length = max([1, *(len(row) for row in rows)])
    table = np.zeros((len(rows), length), np.int32)
    for i, row in enumerate(rows):
        table[i, : len(row)] = row
        table[i, len(row) :] = row[-1] if len(row) else 0
    return table
