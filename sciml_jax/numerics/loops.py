"""Loops that work inside `shard_map` with its default varying-axes check.

Inside `shard_map` every value carries the set of mesh axes over which it may differ. A loop whose initial carry is a
plain constant but whose body mixes in sharded data changes type on the way and is refused. Casting the initial carry to
the union of the axes of all that enters the loop cures it; outside `shard_map` nothing happens.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax


def varying_axes(*trees: Any) -> frozenset:
    """The mesh axes over which any leaf of the trees may vary (empty outside `shard_map`)."""
    axes: set = set()
    for leaf in jax.tree_util.tree_leaves(trees):
        axes |= set(_axes_of(leaf))
    return frozenset(axes)


def vary_like(tree: Any, *references: Any) -> Any:
    """The same tree, each leaf cast to vary over every axis that any leaf of `references` varies over."""
    axes = varying_axes(*references)
    if not axes:
        return tree

    def cast(leaf: Any) -> Any:
        missing = tuple(sorted(axes - _axes_of(leaf), key=str))
        return lax.pcast(leaf, missing, to="varying") if missing else leaf

    return jax.tree_util.tree_map(cast, tree)


def while_loop(cond: Callable, body: Callable, init: Any, *operands: Any) -> Any:
    """`lax.while_loop` whose initial carry varies like itself and like `operands`, the values the body closes over."""
    return lax.while_loop(cond, body, vary_like(init, init, operands))


def _axes_of(leaf: Any) -> frozenset:
    aval = jax.typeof(leaf)
    # The attribute's name differs between the JAX releases we support.
    manual = getattr(aval, "manual_axis_type", None)
    varying = getattr(manual, "varying", None) if manual is not None else getattr(aval, "vma", None)
    return frozenset(varying or ())
