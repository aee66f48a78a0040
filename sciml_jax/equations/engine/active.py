"""Which operands a derivative is taken with respect to."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from ...numerics.loops import vary_like
from .operands import Operands


class Active:
    """Which operands a derivative is taken with respect to; the others have no tangent and need no cotangent."""

    def __init__(self, operands: Operands, tangents: Any):
        leaves, self._treedef = jax.tree_util.tree_flatten(operands)
        self._shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
        moves = self._treedef.flatten_up_to(tangents)
        self._is_active = [not isinstance(move, SymbolicZero) for move in moves]

    def chosen(self, tree: Any) -> list:
        """The leaves of the active operands."""
        pairs = zip(self._treedef.flatten_up_to(tree), self._is_active, strict=True)
        return [leaf for leaf, active in pairs if active]

    def flags(self) -> Operands:
        """Whether each operand is active."""
        return jax.tree_util.tree_unflatten(self._treedef, self._is_active)

    def replaced(self, operands: Operands, chosen: Any) -> Operands:
        """The operands with others in the place of the active ones."""
        supply = iter(chosen)
        pairs = zip(self._treedef.flatten_up_to(operands), self._is_active, strict=True)
        leaves = [next(supply) if active else leaf for leaf, active in pairs]
        return jax.tree_util.tree_unflatten(self._treedef, leaves)

    def all(self, chosen: Any) -> Operands:
        """The operands' tangents, zero for those that are not active."""
        zero = lambda shape: vary_like(jnp.zeros(shape.shape, shape.dtype), chosen)
        supply = iter(chosen)
        pairs = zip(self._shapes, self._is_active, strict=True)
        leaves = [next(supply) if active else zero(shape) for shape, active in pairs]
        return jax.tree_util.tree_unflatten(self._treedef, leaves)
