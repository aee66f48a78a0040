"""Pytree tools: what is traced and what is static, zero tangents, and a hashable container for the static half."""

from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np


class Static:
    """A hashable holder for the static half of a pytree, compared leaf by leaf.

    Leaves that cannot be hashed are compared by identity, as a function would be.
    """

    def __init__(self, tree: Any):
        leaves, self.treedef = jax.tree_util.tree_flatten(tree)
        self.leaves = tuple(leaves)
        self._key = (self.treedef, tuple(_hashable(leaf) for leaf in leaves))

    @property
    def tree(self) -> Any:
        """The pytree that was put in."""
        return jax.tree_util.tree_unflatten(self.treedef, self.leaves)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Static) and self._key == other._key


def _hashable(leaf: Any) -> Any:
    try:
        hash(leaf)
    except TypeError:
        return (type(leaf), id(leaf))
    # 1, 1.0 and True are equal and hash alike, but are not interchangeable in a traced program.
    return (type(leaf), leaf)


def is_traced_leaf(leaf: Any) -> bool:
    """Whether a leaf becomes an operand of the compiled program: arrays, and Python floats and complex numbers.

    Python integers, booleans, strings and functions stay static, because people use them for shapes and branches.
    """
    return eqx.is_array(leaf) or isinstance(leaf, (float, complex, np.generic, np.ndarray))


def partition(tree: Any) -> tuple[Any, Static]:
    """Split a pytree into its traced half and its (hashable) static half."""
    traced, static = eqx.partition(tree, is_traced_leaf)
    return traced, Static(static)


def combine(traced: Any, static: Static) -> Any:
    """Undo `partition`."""
    return eqx.combine(traced, static.tree)


def is_inexact(leaf: Any) -> bool:
    """Whether a leaf is a float or complex array (typed PRNG keys are not)."""
    return jnp.issubdtype(jnp.asarray(leaf).dtype if not hasattr(leaf, "dtype") else leaf.dtype, jnp.inexact)


def is_concrete(tree: Any) -> bool:
    """Whether no leaf of the tree is being traced, so that values can be looked at on the host."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree_util.tree_leaves(tree))


def describe(tree: Any) -> str:
    """A short text for messages: the structure with shapes and dtypes."""

    def leaf_text(leaf: Any) -> str:
        if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
            return (
                f"{np.dtype(leaf.dtype).name if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf.dtype}"
                f"[{','.join(map(str, leaf.shape))}]"
            )
        return repr(leaf)

    leaves, treedef = jax.tree_util.tree_flatten(tree)
    texts = [leaf_text(leaf) for leaf in leaves]
    if jax.tree_util.treedef_is_leaf(treedef) and len(texts) == 1:
        return texts[0]
    return str(jax.tree_util.tree_unflatten(treedef, [_Text(text) for text in texts]))


class _Text(str):
    def __repr__(self) -> str:
        return str(self)
