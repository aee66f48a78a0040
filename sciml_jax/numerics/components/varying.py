"""Varying axes: what ``shard_map`` with its check on demands of the operands of a primitive and of loop carries."""

from typing import Any

import jax
import jax.core
import numpy as np
from jax import lax

from .values import Value, fill, is_constant


def varying_axes(x: Any) -> frozenset:
    """The mesh axes along which `x` (a value or an abstract value) differs; empty outside ``shard_map``."""
    if isinstance(x, (np.generic, np.ndarray)):
        return frozenset()
    aval = x if isinstance(x, jax.core.AbstractValue) else jax.typeof(x)
    kind = getattr(aval, "manual_axis_type", None)
    return getattr(aval, "vma", frozenset()) if kind is None else kind.varying


def cast(x: Any, axes: frozenset) -> Any:
    """`x` varying along `axes` too."""
    missing = axes - varying_axes(x) if axes else axes
    return lax.pcast(x, tuple(sorted(missing)), to="varying") if missing else x


def align(args: Any) -> list:
    """`args` varying along the same axes."""
    union = frozenset().union(*[varying_axes(x) for x in args])
    return [cast(x, union) for x in args]


def axes_of(values: list[Value]) -> frozenset:
    """The axes along which any of `values` varies."""
    axes = frozenset()
    for value in values:
        axes = axes.union(*[varying_axes(x) for x in ([value.array] if value.is_packed else value.entries.reshape(-1))])
    return axes


def _pvary(context: Any, eqn: Any, values: list[Value]) -> list[Value]:
    """Constants stay known: operations on them cast as needed."""
    (value,), axes = values, frozenset(eqn.params["axes"])
    if value.is_packed:
        return [Value.from_array(cast(value.array, axes))]
    flat = [x if is_constant(x) else cast(x, axes) for x in value.entries.reshape(-1)]
    return [Value(value.shape, value.dtype, entries=fill(flat, value.shape))]


RULES = {"pvary": _pvary}
