"""One path or a batch of them, behind the same calls."""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax


class One:
    """A single path."""

    lead: tuple = ()

    def map(self, function: Callable, operands: Any, *rest: Any) -> Any:
        """`function(operands, *rest)`."""
        return function(operands, *rest)


class Lanes:
    """A batch: `size` lanes, with `axes` (0 or None for every leaf) of the operands."""

    def __init__(self, size: int, axes: Any):
        self.size, self.axes, self.lead = size, axes, (size,)

    def map(self, function: Callable, operands: Any, *rest: Any) -> Any:
        """`function(operands, *rest)` for every lane; all of `rest` has the lanes in front."""
        return jax.vmap(function, in_axes=(self.axes, *(0 for _ in rest)), axis_size=self.size)(operands, *rest)


def one_by_one(single: Callable, size: int, axes: Any, operands: Any) -> Any:
    """`single(operands)` for every lane, one after the other."""
    leaves, treedef = jax.tree_util.tree_flatten(operands)
    mapped = [leaf for leaf, axis in zip(leaves, treedef.flatten_up_to(axes), strict=True) if axis == 0]

    def one(_, chosen):
        supply = iter(chosen)
        pairs = zip(leaves, treedef.flatten_up_to(axes), strict=True)
        filled = [next(supply) if axis == 0 else leaf for leaf, axis in pairs]
        return None, single(treedef.unflatten(filled))

    return lax.scan(one, None, mapped, length=size)[1]
