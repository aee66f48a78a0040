"""Lanes of a batch in blocks that stay in the cache."""

import functools
from typing import Any

import jax

from ...numerics.batching import in_blocks
from ...numerics.one_kernel import lanes_in_one_kernel, undifferentiated_kernel
from .loop import Lanes
from .whole import axes_apart

BLOCK = 64
"""Lanes of a batch that run together on the CPU, at most."""


def lanes_over(plan: Any, size: int, axes: tuple) -> Lanes:
    """How the loops run over `size` lanes; `axes` are those of the whole operands and of the settings."""
    return Lanes(size, (axes_apart(plan, axes[0]), axes[1]))


def blocked(lanes: Any, otherwise: Any = None) -> Any:
    """Run lanes in blocks that stay in the cache, where each block is one kernel; otherwise all together."""

    def call(number, axes, *args):
        # Traced once, to be looked at and to be called.
        block_of = functools.cache(lambda count: jax.jit(functools.partial(lanes, count, axes)))

        def make(count):
            some = jax.tree_util.tree_map(lambda leaf, axis: leaf[:count] if axis == 0 else leaf, args, axes)
            return block_of(count), some

        block = lanes_in_one_kernel(make, min(number, BLOCK))
        if not block:
            # A network, say: its matrix products want as many rows as there are.
            return (otherwise or lanes)(number, axes, *args)

        def kernel(count, *args):
            return undifferentiated_kernel(block_of(count))(*args)

        return in_blocks(kernel, number, axes, args, block)

    return call
