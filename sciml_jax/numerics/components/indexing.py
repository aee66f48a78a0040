"""Gather, scatter and dynamic slices whose indices are known while tracing: bookkeeping, and sums for scatter-add."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from jax.lax import GatherScatterMode

from .values import Value, constant


def _starts(values: list[Value]) -> tuple[int, ...] | None:
    known = [k for value in values if (k := value.known()) is not None]
    return tuple(int(k) for k in known) if len(known) == len(values) else None


def _clipped(starts, shape, sizes) -> tuple[int, ...]:
    return tuple(min(max(s, 0), n - k) for s, n, k in zip(starts, shape, sizes, strict=True))


def _dynamic_slice(context: Any, eqn: Any, values: list[Value]) -> list[Value]:
    sizes = eqn.params["slice_sizes"]
    starts = _starts(values[1:])
    if starts is None:
        return NotImplemented
    starts = _clipped(starts, values[0].shape, sizes)
    out = values[0].entries[(*(slice(s, s + k) for s, k in zip(starts, sizes, strict=True)), ...)]
    return [Value(out.shape, values[0].dtype, entries=out)]


def _dynamic_update_slice(context: Any, eqn: Any, values: list[Value]) -> list[Value]:
    operand, update, *rest = values
    starts = _starts(rest)
    if starts is None:
        return NotImplemented
    starts = _clipped(starts, operand.shape, update.shape)
    out = operand.entries.copy()
    out[(*(slice(s, s + k) for s, k in zip(starts, update.shape, strict=True)), ...)] = update.entries
    return [Value(operand.shape, operand.dtype, entries=out)]


def _fill_value(params: dict, dtype: Any) -> Any:
    if params["fill_value"] is not None:
        return constant(params["fill_value"], dtype)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return constant(limits.min if np.issubdtype(dtype, np.signedinteger) else limits.max, dtype)
    return constant(True if dtype == np.bool_ else np.nan, dtype)


def _base(dims_map, batching, indices_batching, batch, indices, ndim: int) -> list[int]:
    """Where in the operand the window of batch position `batch` starts."""
    start = [0] * ndim
    for k, dim in enumerate(dims_map):
        start[dim] = int(indices[(*batch, k)])
    for dim, source in zip(batching, indices_batching, strict=True):
        start[dim] = batch[source]
    return start


def _gather(context: Any, eqn: Any, values: list[Value]) -> list[Value]:
    operand, indices = values[0], values[1].known()
    params, dn = eqn.params, eqn.params["dimension_numbers"]
    if indices is None or params["mode"] == GatherScatterMode.ONE_HOT:
        return NotImplemented
    sizes, entries = params["slice_sizes"], operand.entries
    shape = eqn.outvars[0].aval.shape
    dropped = {*dn.collapsed_slice_dims, *dn.operand_batching_dims}
    window_dims = [d for d in range(len(operand.shape)) if d not in dropped]
    batching = (dn.start_index_map, dn.operand_batching_dims, dn.start_indices_batching_dims)
    limits = [n - k for n, k in zip(operand.shape, sizes, strict=True)]
    out = np.empty(shape, dtype=object)
    for position in np.ndindex(*shape):
        batch = tuple(p for d, p in enumerate(position) if d not in dn.offset_dims)
        start = _base(*batching, batch, indices, len(limits))
        inside = all(0 <= s <= n for s, n in zip(start, limits, strict=True))
        if not inside and params["mode"] == GatherScatterMode.FILL_OR_DROP:
            out[position] = _fill_value(params, operand.dtype)
            continue
        where = [min(max(s, 0), n) for s, n in zip(start, limits, strict=True)]
        for d, offset in zip(window_dims, (position[o] for o in dn.offset_dims), strict=True):
            where[d] += offset
        out[position] = entries[tuple(where)]
    return [Value(shape, operand.dtype, entries=out)]


def _scatter(operation: str | None) -> Callable:
    """Rule for a scatter that combines old and new by `operation`, or replaces the old (None)."""

    def combined(arithmetic: Any, old: Any, new: Any, dtype: Any) -> Any:
        return new if operation is None else arithmetic.combine(operation, old, new, dtype)

    def rule(context: Any, eqn: Any, values: list[Value]) -> list[Value]:
        operand, indices, updates = values[0], values[1].known(), values[2]
        if indices is None or eqn.params["mode"] == GatherScatterMode.ONE_HOT:
            return NotImplemented
        out = operand.entries.copy()
        for where, update in _landings(eqn.params, operand.shape, indices, updates):
            out[where] = combined(context.arithmetic, out[where], update, operand.dtype)
        return [Value(operand.shape, operand.dtype, entries=out)]

    return rule


def _landings(params: dict, shape: tuple[int, ...], indices: np.ndarray, updates: Value):
    """Pairs (position in the operand, entry) of a scatter; windows that reach outside are dropped or moved in."""
    dn, entries = params["dimension_numbers"], updates.entries
    window_dims = [d for d in range(len(shape)) if d not in {*dn.inserted_window_dims, *dn.operand_batching_dims}]
    sizes = [1] * len(shape)
    for d, u in zip(window_dims, dn.update_window_dims, strict=True):
        sizes[d] = updates.shape[u]
    limits = [n - k for n, k in zip(shape, sizes, strict=True)]
    batch_dims = [d for d in range(len(updates.shape)) if d not in dn.update_window_dims]
    batches = [range(updates.shape[d]) for d in batch_dims]
    batching = (dn.scatter_dims_to_operand_dims, dn.operand_batching_dims, dn.scatter_indices_batching_dims)
    for batch in itertools.product(*batches):
        start = _base(*batching, batch, indices, len(shape))
        inside = all(0 <= s <= n for s, n in zip(start, limits, strict=True))
        if not inside and params["mode"] != GatherScatterMode.CLIP:
            continue
        start = [min(max(s, 0), n) for s, n in zip(start, limits, strict=True)]
        for window in np.ndindex(*[updates.shape[u] for u in dn.update_window_dims]):
            where, source = list(start), [0] * len(updates.shape)
            for d, u, offset in zip(window_dims, dn.update_window_dims, window, strict=True):
                where[d] += offset
                source[u] = offset
            for d, b in zip(batch_dims, batch, strict=True):
                source[d] = b
            yield tuple(where), entries[tuple(source)]


RULES = {
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "gather": _gather,
    "scatter": _scatter(None),
    "scatter-add": _scatter("add"),
    "scatter-sub": _scatter("sub"),
    "scatter-mul": _scatter("mul"),
    "scatter-min": _scatter("min"),
    "scatter-max": _scatter("max"),
}
