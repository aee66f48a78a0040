"""How the engine holds a state: the leaves of the user's pytree as a tuple, or their components as scalars."""

from typing import Any

import jax
import jax.numpy as jnp


class Layout:
    """Splits a pytree into the engine's tuple and merges it back; hashable, so that a solution can carry it.

    Parameters
    ----------
    example
        A pytree of arrays or shapes.
    components
        Whether every number of every leaf is an entry of its own.
    """

    def __init__(self, example: Any, components: bool = False):
        leaves, self.treedef = jax.tree_util.tree_flatten(example)
        self.shapes = tuple((tuple(leaf.shape), jnp.dtype(leaf.dtype)) for leaf in leaves)
        self.components = components

    @property
    def shape(self) -> Any:
        """The pytree's shapes and dtypes."""
        leaves = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in self.shapes]
        return jax.tree_util.tree_unflatten(self.treedef, leaves)

    def split(self, tree: Any) -> tuple:
        """The pytree as the engine's tuple."""
        leaves = jax.tree_util.tree_leaves(tree)
        if not self.components:
            return tuple(leaves)
        return tuple(entry for leaf in leaves for entry in _entries(leaf))

    def merge(self, parts: tuple, lead: int = 0) -> Any:
        """The engine's tuple as the pytree; `lead` is the number of leading axes (time) that each part has in front."""
        if not self.components:
            return jax.tree_util.tree_unflatten(self.treedef, parts)
        leaves, start = [], 0
        for shape, _ in self.shapes:
            size = _size(shape)
            chosen = parts[start : start + size]
            start += size
            stacked = jnp.stack(chosen, axis=lead)
            leaves.append(stacked.reshape(stacked.shape[:lead] + shape))
        return jax.tree_util.tree_unflatten(self.treedef, leaves)

    def _key(self) -> tuple:
        return (self.treedef, self.shapes, self.components)

    def __hash__(self) -> int:
        return hash(self._key())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self._key() == other._key()


def _entries(leaf: Any) -> list:
    if leaf.ndim == 0:
        return [leaf]
    flat = leaf.reshape(-1)
    return [flat[i] for i in range(flat.shape[0])]


def _size(shape: tuple) -> int:
    size = 1
    for extent in shape:
        size *= extent
    return size
