"""Brownian increments drawn anew for every step, by the time where it begins."""

from typing import Any

import jax.numpy as jnp
from jax import lax

from .counter_normals import normal_pairs, threefry

_SIGNS = 0x9E3779B9
"""Changes the key for `step_signs`."""


def step_increments(words: Any, ta: Any, tb: Any, size: int, dtype: Any) -> tuple[Any, Any]:
    """The increment `W` over a step from `ta` to `tb` and its space-time Levy area `H`, each of shape (size,).

    `W` is normal with variance `h = tb - ta`, `H` with variance h/12, independent of each other and of those of other
    `ta`. The same `ta` gives the same numbers, in units of the root of h: where a step is recomputed it finds them
    again. No derivative passes through the times. Cost: two normal numbers per motion.
    """
    ta, tb = lax.stop_gradient((jnp.asarray(ta), jnp.asarray(tb)))
    first, second = normal_pairs(*_counters(words, ta, size))
    root = jnp.sqrt(jnp.abs(tb - ta)).astype(dtype)
    return root * first.astype(dtype), root * second.astype(dtype) / jnp.asarray(12**0.5, dtype)


def step_signs(words: Any, ta: Any, size: int, dtype: Any) -> Any:
    """Independent random signs, +1 or -1, of shape (size,), that belong to the step from `ta`."""
    ta = lax.stop_gradient(jnp.asarray(ta))
    bits, _ = threefry(*_counters(words ^ jnp.uint32(_SIGNS), ta, size))
    return jnp.where((bits & jnp.uint32(1)) == 1, 1, -1).astype(dtype)


def _counters(words: Any, ta: Any, size: int) -> tuple[Any, Any, Any]:
    """Key and counters, shapes (size,), of a time: all of its bits count, so that no two times share them."""
    bits = lax.bitcast_convert_type(ta, jnp.uint32).reshape(-1)
    high, low = bits[-1], bits[0] if bits.shape[0] > 1 else jnp.uint32(0)
    if size == 1:
        return words, high[None], low[None]
    key = jnp.stack(threefry(words, high, low))
    motion = jnp.arange(size, dtype=jnp.uint32)
    return key, motion, jnp.zeros_like(motion)
