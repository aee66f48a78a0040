"""Cotangents of those operands only that something is differentiated by.

Those of the others would be carried through the reverse loops, selected for every lane and copied: XLA does not look
through nested loops to see that nobody reads them. They are None, and `add` passes them over.
"""

from typing import Any

import jax
import jax.numpy as jnp

from .operands import Operands


def nothing_yet(operands: Operands, wanted: Operands | None) -> Operands:
    """Zeros for the wanted operands, None for the others; `wanted` holds booleans, or is None for all.

    The initial state is left out: its cotangent is that of the state where the way back ends.
    """
    if wanted is None:
        zeros = jax.tree_util.tree_map(jnp.zeros_like, operands)
    else:
        zeros = jax.tree_util.tree_map(lambda leaf, keep: jnp.zeros_like(leaf) if keep else None, operands, wanted)
    return zeros._replace(y0=())


def add(total: Any, more: Any) -> Any:
    """The sum of two trees; what is None in `total` stays None."""
    return jax.tree_util.tree_map(lambda a, b: None if a is None else a + b, total, more, is_leaf=lambda a: a is None)


def zeros_for_others(total: Operands, operands: Operands) -> Operands:
    """Zeros in the place of None."""
    likes, treedef = jax.tree_util.tree_flatten(operands)
    pairs = zip(treedef.flatten_up_to(total), likes, strict=True)
    return jax.tree_util.tree_unflatten(treedef, [jnp.zeros_like(b) if a is None else a for a, b in pairs])
