"""Primitives that only move elements: Python bookkeeping on object arrays, nothing is emitted."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .values import Value, fill


def _rule(move: Callable) -> Callable:
    """A rule from `move(params, *entries) -> entries or list of entries`."""

    def rule(context: Any, eqn: Any, values: list[Value]) -> list[Value]:
        outs = move(eqn.params, *[value.entries for value in values])
        outs = outs if isinstance(outs, list) else [outs]
        return [Value(var.aval.shape, var.aval.dtype, entries=out) for var, out in zip(eqn.outvars, outs, strict=True)]

    return rule


def _reshape(params, x):
    if params.get("dimensions") is not None:
        x = x.transpose(params["dimensions"])
    return x.reshape(params["new_sizes"])


def _broadcast_in_dim(params, x):
    shape = [1] * len(params["shape"])
    for size, dim in zip(x.shape, params["broadcast_dimensions"], strict=True):
        shape[dim] = size
    return np.broadcast_to(x.reshape(shape), params["shape"])


def _slice(params, x):
    strides = params["strides"] or (1,) * x.ndim
    bounds = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    return x[(*(slice(*bound) for bound in bounds), ...)]


def _squeeze(params, x):
    return x.reshape([n for i, n in enumerate(x.shape) if i not in params["dimensions"]])


def _split(params, x):
    ends = np.cumsum(params["sizes"])[:-1].astype(int)
    return list(np.split(x, ends, axis=params["axis"]))


def _unstack(params, x):
    rows = np.moveaxis(x, params["axis"], 0)
    return [fill(row.reshape(-1) if isinstance(row, np.ndarray) else [row], rows.shape[1:]) for row in rows]


def _pad(params, x, padding):
    config = params["padding_config"]
    spread = tuple(max(n + (n - 1) * inner, 0) for n, (_, _, inner) in zip(x.shape, config, strict=True))
    low = tuple(max(lo, 0) for lo, _, _ in config)
    full = tuple(n + lo + max(hi, 0) for n, lo, (_, hi, _) in zip(spread, low, config, strict=True))
    out = fill([padding[()]] * int(np.prod(full)), full)
    inside = zip(low, spread, config, strict=True)
    out[tuple(slice(lo, lo + n, inner + 1) for lo, n, (_, _, inner) in inside)] = x
    crop = zip(full, config, strict=True)
    return out[(*(slice(max(-lo, 0), n - max(-hi, 0)) for n, (lo, hi, _) in crop), ...)]


def _iota(context: Any, eqn: Any, values: list[Value]) -> list[Value]:
    shape, dim = eqn.params["shape"], eqn.params["dimension"]
    if values:
        return NotImplemented
    column = [-1 if i == dim else 1 for i in range(len(shape))]
    row = np.arange(shape[dim]).astype(eqn.params["dtype"]).reshape(column)
    return [Value.from_constant(np.broadcast_to(row, shape))]


RULES = {
    "reshape": _rule(_reshape),
    "transpose": _rule(lambda params, x: x.transpose(params["permutation"])),
    "broadcast_in_dim": _rule(_broadcast_in_dim),
    "slice": _rule(_slice),
    "squeeze": _rule(_squeeze),
    "expand_dims": _rule(lambda params, x: np.expand_dims(x, params["dimensions"])),
    "rev": _rule(lambda params, x: np.flip(x, params["dimensions"])),
    "concatenate": _rule(lambda params, *xs: np.concatenate(xs, params["dimension"])),
    "stack": _rule(lambda params, *xs: np.stack(xs, params["axis"])),
    "split": _rule(_split),
    "unstack": _rule(_unstack),
    "pad": _rule(_pad),
    "iota": _iota,
}
