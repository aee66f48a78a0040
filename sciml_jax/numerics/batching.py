"""Functions that say themselves how a batch of them runs, however many `vmap`s are around them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

from .loops import vary_like


def batch_native(single: Callable, lanes: Callable) -> Callable:
    """`single(*args)`, which under `vmap` becomes `lanes(size, axes, *args)`; nested `vmap`s become one batch.

    Parameters
    ----------
    single
        The function of one lane.
    lanes
        The function of `size` lanes. `axes` is a pytree like the arguments with 0 for leaves that have the lanes in
        front and None for those that all lanes share. All results have the lanes in front.

    Notes
    -----
    Neither may be differentiated (`custom_vmap` has no useful derivative): use it inside a custom derivative rule.
    """
    function = custom_vmap(single)

    @function.def_vmap
    def rule(size, in_batched, *args):
        out = _batch(lanes, size, _axes(in_batched))(*args)
        return out, jax.tree_util.tree_map(lambda _: True, out)

    return function


def _batch(lanes: Callable, size: int, axes: tuple) -> Callable:
    function = custom_vmap(lambda *args: lanes(size, axes, *args))

    @function.def_vmap
    def rule(outer, in_batched, *args):
        leaves, treedef = jax.tree_util.tree_flatten(args)
        batched = treedef.flatten_up_to(tuple(in_batched))
        inner = treedef.flatten_up_to(axes)
        merged = [_merge(leaf, outer, size, b, i == 0) for leaf, b, i in zip(leaves, batched, inner, strict=True)]
        both = [0 if b or i == 0 else None for b, i in zip(batched, inner, strict=True)]
        merged_axes = jax.tree_util.tree_unflatten(treedef, both)
        out = _batch(lanes, outer * size, merged_axes)(*jax.tree_util.tree_unflatten(treedef, merged))
        out = jax.tree_util.tree_map(lambda leaf: leaf.reshape(outer, size, *leaf.shape[1:]), out)
        return out, jax.tree_util.tree_map(lambda _: True, out)

    return function


def _axes(in_batched: Any) -> tuple:
    return jax.tree_util.tree_map(lambda batched: 0 if batched else None, tuple(in_batched))


def _merge(leaf: Any, outer: int, size: int, is_outer: bool, is_inner: bool) -> Any:
    if not (is_outer or is_inner):
        return leaf
    shape = leaf.shape[int(is_outer) + int(is_inner) :]
    if not is_outer:
        leaf = leaf[None]
    if not is_inner:
        leaf = leaf[:, None]
    return jnp.broadcast_to(leaf, (outer, size, *shape)).reshape(outer * size, *shape)


def in_blocks(function: Callable, size: int, axes: tuple, args: tuple, block: int) -> Any:
    """`function(count, *args)` over blocks of at most `block` lanes, one after the other; results joined again.

    A batch in lockstep takes as long as its slowest lane and streams its state through memory; blocks that fit into the
    cache wait for their own slowest lane only.
    """
    if size <= block:
        return function(size, *args)
    number = -(-size // block)
    # Of equal size as nearly as can be, so that little is done twice: the last lanes fill up the last block.
    block = -(-size // number)
    leaves, treedef = jax.tree_util.tree_flatten(args)
    flat_axes = treedef.flatten_up_to(axes)
    mapped = [_blocked(leaf, number, block) for leaf, axis in zip(leaves, flat_axes, strict=True) if axis == 0]

    def one(_, chunk):
        supply = iter(chunk)
        filled = [next(supply) if axis == 0 else leaf for leaf, axis in zip(leaves, flat_axes, strict=True)]
        return None, function(block, *jax.tree_util.tree_unflatten(treedef, filled))

    _, out = lax.scan(one, None, mapped, length=number)
    return jax.tree_util.tree_map(lambda leaf: leaf.reshape(number * block, *leaf.shape[2:])[:size], out)


def _blocked(leaf: Any, number: int, block: int) -> Any:
    missing = number * block - leaf.shape[0]
    if missing:
        leaf = jnp.concatenate([leaf, leaf[leaf.shape[0] - missing :]])
    return leaf.reshape(number, block, *leaf.shape[1:])


def either(is_rare: Any, rare: Callable, common: Callable, *args: Any) -> Any:
    """`rare(*args)` where `is_rare`, else `common(*args)`; only one of them is computed.

    In a batch the rare one is computed when some lane asks for it, and then for all lanes. For use where nothing is
    differentiated any more, as `batch_native`; the functions close over nothing traced.
    """
    # Inside shard_map both branches must vary alike.
    one = lambda function: lambda args: vary_like(function(*args), args)

    def branch(is_rare, args):
        return lax.cond(is_rare, one(rare), one(common), args)

    def lanes(size, axes, is_rare, args):
        if axes[0] is None:
            return jax.vmap(branch, axes, axis_size=size)(is_rare, args)
        each = lambda function: jax.vmap(one(function), axes[1:], axis_size=size)

        def both(args):
            pick = lambda a, b: jnp.where(is_rare.reshape(-1, *(1 for _ in a.shape[1:])), a, b)
            return jax.tree_util.tree_map(pick, each(rare)(args), each(common)(args))

        return lax.cond(jnp.any(is_rare), both, each(common), args)

    return batch_native(branch, lanes)(is_rare, args)
