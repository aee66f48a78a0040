"""A Brownian path that can be asked for anywhere: a sum over the levels of a dyadic tree, with its time integral.

An interval of length l on which the path moves by W and has the space-time Levy area H (both known) is halved by two
more normal numbers z1, z2,

    W_left = W/2 + 3H/2 + sqrt(l)/4 z1,    H_left, H_right = H/4 - sqrt(l)/8 z1 +- sqrt(l/12)/2 z2,

which changes neither W nor H of the whole. So a level adds to the path, and to its integral, a function that is zero
outside of one interval: the value at a time is one sum over the levels, without any recurrence. The normal numbers
belong to the node of the tree, not to the order of the questions.
"""

import math
from typing import Any

import jax.numpy as jnp
from jax import lax

from .counter_normals import normal_pairs, threefry

_SIGNS = 0x9E3779B9
"""Changes the key for `random_signs`."""


def tree_depth(time_dtype: Any) -> int:
    """How often the interval is halved: 24 times, in float32 20 times.

    Times that are further apart than one of the smallest intervals have exactly the joint law of a Brownian motion.
    """
    return 24 if jnp.dtype(time_dtype).itemsize >= 8 else 20


def path_and_integral(words: Any, t0: Any, t1: Any, times: Any, size: int, dtype: Any) -> tuple[Any, Any]:
    """`W(t) - W(t0)` and the integral of it from `t0` to `t`.

    Parameters
    ----------
    words
        The key, from `key_words`.
    t0, t1
        The interval.
    times
        Times in it, shape (T,); those outside are pulled in. No derivative passes through them.
    size
        The number of independent motions.
    dtype
        Of the result.

    Returns
    -------
    A pair of arrays of shape (T, size). Cost: 2 T size normal numbers for each of `tree_depth` levels.
    """
    t0, t1, times = lax.stop_gradient((t0, t1, times))
    depth, time_dtype = tree_depth(jnp.result_type(times)), jnp.result_type(times)
    span = t1 - t0
    powers = jnp.asarray([2.0**level for level in range(depth + 1)], time_dtype)
    scaled = jnp.clip((times - t0) / span, 0.0, 1.0)[:, None] * powers
    cell = jnp.minimum(jnp.floor(scaled), powers - 1)
    motion = jnp.arange(size, dtype=jnp.uint32)
    normals = _normals(words, (powers + cell).astype(jnp.uint32)[..., None], motion, dtype)
    weights = _weights(scaled - cell, span / powers)
    value, integral = (jnp.sum(weight.astype(dtype)[..., None] * normals, axis=(1, 2)) for weight in weights)
    # The whole interval: a straight line and a parabola.
    theta = scaled[:, 0]
    root, length = _normals(words, jnp.zeros(1, jnp.uint32), motion, dtype), jnp.sqrt(span)
    area = jnp.stack([theta, math.sqrt(3.0) * theta * (1 - theta)], axis=-1)
    below = jnp.stack([theta**2 / 2, math.sqrt(3.0) * (theta**2 / 2 - theta**3 / 3)], axis=-1)
    value = value + jnp.sum((length * area).astype(dtype)[..., None] * root, axis=1)
    return value, integral + jnp.sum((length * span * below).astype(dtype)[..., None] * root, axis=1)


def brownian_increments(words: Any, t0: Any, t1: Any, ta: Any, tb: Any, size: int, dtype: Any) -> tuple[Any, Any]:
    """The increment `W` from `ta` to `tb` and the space-time Levy area `H`, each of shape (size,).

    `H = 1/h int_ta^tb (W(s) - W(ta) - (s - ta)/h W) ds` is normal with variance h/12 and independent of `W`.
    """
    ta, tb = lax.stop_gradient((jnp.asarray(ta), jnp.asarray(tb)))
    value, integral = path_and_integral(words, t0, t1, jnp.stack([ta, tb]), size, dtype)
    h = (tb - ta).astype(dtype)
    moved = value[1] - value[0]
    mean = (integral[1] - integral[0]) / jnp.where(h == 0, 1, h) - value[0]
    return moved, mean - 0.5 * moved


def random_signs(words: Any, t0: Any, t1: Any, t: Any, size: int, dtype: Any) -> Any:
    """Independent signs, +1 or -1, of shape (size,), that belong to the smallest interval that holds `t`."""
    t0, t1, t = lax.stop_gradient((t0, t1, jnp.asarray(t)))
    cells = 2.0 ** tree_depth(t.dtype)
    cell = jnp.floor(jnp.clip((t - t0) / (t1 - t0), 0.0, 1.0) * cells).astype(jnp.uint32)
    motion = jnp.arange(size, dtype=jnp.uint32)
    bits, _ = threefry(words ^ jnp.uint32(_SIGNS), jnp.full_like(motion, cell), motion)
    return jnp.where((bits & jnp.uint32(1)) == 1, 1, -1).astype(dtype)


def _normals(words: Any, nodes: Any, motion: Any, dtype: Any) -> Any:
    """Both normal numbers of nodes, shape (..., 1), for all motions: shape (..., 2, size)."""
    nodes, motion = jnp.broadcast_arrays(nodes, motion)
    return jnp.stack(normal_pairs(words, nodes, motion), axis=-2).astype(dtype)


def _weights(theta: Any, length: Any) -> tuple[Any, Any]:
    """Weights of both normal numbers of every node in the path and in its integral, shapes (T, levels, 2).

    `theta` is the place in the node's interval, from 0 to 1. All levels but the last one halve.
    """
    is_left = theta < 0.5
    phi = jnp.where(is_left, 2 * theta, 2 * theta - 1)
    bow, under = 3 * phi * (1 - phi), 3 * phi**2 / 2 - phi**3
    sign = jnp.where(is_left, 1.0, -1.0)
    line = jnp.where(is_left, phi, 1 - phi)
    under_line = jnp.where(is_left, phi**2 / 2, phi - phi**2 / 2)
    first, second = (line - bow) / 4, sign * bow / math.sqrt(12.0)
    first_below = (under_line - under) / 8
    second_below = (jnp.where(is_left, 0.0, 0.5) + sign * under) / (2 * math.sqrt(12.0))
    value = jnp.stack([first, second], axis=-1).at[:, -1].set(_bridge(theta[:, -1])[0])
    integral = jnp.stack([first_below, second_below], axis=-1).at[:, -1].set(_bridge(theta[:, -1])[1])
    scale = jnp.sqrt(length)[..., None]
    return value * scale, integral * scale * length[..., None]


def _bridge(theta: Any) -> tuple[Any, Any]:
    """The same for a place inside of the smallest interval: the law of (W, int W) there, given both at its end."""
    q = theta * (1 - theta)
    variance = q * (1 - 3 * q)
    deviation = jnp.sqrt(jnp.maximum(variance, 0.0))
    covariance = theta**2 / 2 - theta**3 / 2 - 3 * q * (theta**2 / 2 - theta**3 / 3)
    slope = jnp.where(variance > 0, covariance / jnp.where(deviation > 0, deviation, 1.0), 0.0)
    rest = jnp.sqrt(jnp.maximum(q, 0.0) ** 3 / (12 * (1 - 3 * q)))
    zero = jnp.zeros_like(theta)
    return jnp.stack([deviation, zero], axis=-1), jnp.stack([slope, rest], axis=-1)
