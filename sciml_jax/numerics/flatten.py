"""A pytree of float and complex arrays as one real vector, and back, in a way that is linear and can be transposed."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


class RealVector:
    """Pack trees shaped like an example into one real vector: complex leaves as real and imaginary parts.

    The vector's dtype is the widest real dtype among the leaves. `pack` and `unpack` act on values and tangents;
    `unpack_cotangent` and `pack_cotangent` are the transposes of `pack` and `unpack`, which differ for complex leaves
    by the sign of the imaginary part.
    """

    def __init__(self, example: Any):
        leaves, self.treedef = jax.tree_util.tree_flatten(example)
        self.shapes = [(leaf.shape, leaf.dtype) for leaf in leaves]
        reals = [jnp.finfo(dtype).dtype for _, dtype in self.shapes]
        self.dtype = jnp.result_type(*reals) if reals else jnp.zeros(()).dtype
        self.size = sum(_length(shape, dtype) for shape, dtype in self.shapes)

    def pack(self, tree: Any) -> Any:
        """The tree as a vector."""
        return self._pack(tree, 1.0)

    def unpack(self, vector: Any) -> Any:
        """The vector as a tree."""
        return self._unpack(vector, 1.0)

    def unpack_cotangent(self, vector: Any) -> Any:
        """Cotangent of `pack`: a cotangent of the vector becomes one of the tree."""
        return self._unpack(vector, -1.0)

    def pack_cotangent(self, tree: Any) -> Any:
        """Cotangent of `unpack`: a cotangent of the tree becomes one of the vector."""
        return self._pack(tree, -1.0)

    def _pack(self, tree, sign):
        parts = []
        for leaf in jax.tree_util.tree_leaves(tree):
            if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
                parts += [leaf.real.ravel(), sign * leaf.imag.ravel()]
            else:
                parts.append(leaf.ravel())
        return jnp.concatenate([part.astype(self.dtype) for part in parts]) if parts else jnp.zeros(0, self.dtype)

    def _unpack(self, vector, sign):
        leaves, start = [], 0
        for shape, dtype in self.shapes:
            length = _length(shape, dtype)
            part = lax.slice(vector, (start,), (start + length,)).astype(jnp.finfo(dtype).dtype)
            start += length
            if jnp.issubdtype(dtype, jnp.complexfloating):
                half = length // 2
                leaves.append(lax.complex(part[:half], sign * part[half:]).reshape(shape))
            else:
                leaves.append(part.reshape(shape))
        return jax.tree_util.tree_unflatten(self.treedef, leaves)


def _length(shape, dtype) -> int:
    size = 1
    for extent in shape:
        size *= extent
    return size * (2 if jnp.issubdtype(dtype, jnp.complexfloating) else 1)
