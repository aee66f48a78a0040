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
import numpy as np
from jax import lax

from .counter_normals import normal_pairs, threefry

DEPTH = 22
"""How often the interval is halved. Times that are further apart than one of the smallest intervals have exactly the
joint law of a Brownian motion."""

# One row for the whole interval, one for each halving, one inside of the smallest interval: a multiple of eight, for
# vector units, along the last axis of all arrays.
_POWERS = np.array([1.0, *(2.0**level for level in range(DEPTH + 1))])
_IS_WHOLE = np.arange(DEPTH + 2) == 0
_IS_LAST = np.arange(DEPTH + 2) == DEPTH + 1
_ROOT_3 = math.sqrt(3.0)

_SIGNS = 0x9E3779B9
"""Changes the key for `random_signs`."""


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
    A pair of arrays of shape (T, size). Cost: 2 T size normal numbers for each of the `DEPTH` levels.
    """
    t0, t1, times = lax.stop_gradient((t0, t1, times))
    span, powers = t1 - t0, jnp.asarray(_POWERS, jnp.result_type(times))
    scaled = _place(t0, t1, times)[:, None] * powers
    cell = jnp.minimum(jnp.floor(scaled), powers - 1)
    nodes = jnp.where(_IS_WHOLE, 0.0, powers + cell).astype(jnp.uint32)
    motion = jnp.arange(size, dtype=jnp.uint32)[:, None, None]
    # The barrier keeps XLA from drawing them anew for each of the four sums.
    drawn = lax.optimization_barrier(normal_pairs(words, *jnp.broadcast_arrays(nodes, motion)))
    normals = [part.astype(dtype) for part in drawn]
    value, integral = _weights(scaled - cell)
    length = span / powers

    def total(weights, scale):
        first, second = ((weight * scale).astype(dtype) * part for weight, part in zip(weights, normals, strict=True))
        return jnp.sum(first + second, axis=-1).T

    root = jnp.sqrt(length)
    return total(value, root), total(integral, root * length)


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
    cell = jnp.floor(_place(t0, t1, t) * 2.0**DEPTH).astype(jnp.uint32)
    motion = jnp.arange(size, dtype=jnp.uint32)
    bits, _ = threefry(words ^ jnp.uint32(_SIGNS), jnp.full_like(motion, cell), motion)
    return jnp.where((bits & jnp.uint32(1)) == 1, 1, -1).astype(dtype)


def _place(t0: Any, t1: Any, t: Any) -> Any:
    """Where a time lies in the interval, from 0 to 1, rounded to 40 binary places (in float32 to 22).

    A path varies as the root of time: without rounding, times that differ in their last digit, as the sums of two step
    sizes do, would read values that differ by 1e-8.
    """
    places = 2.0 ** (40 if jnp.result_type(t).itemsize >= 8 else DEPTH)
    return jnp.round(jnp.clip((t - t0) / (t1 - t0), 0.0, 1.0) * places) / places


def _weights(theta: Any) -> tuple[tuple, tuple]:
    """Weights of both normal numbers of every row in the path and in its integral, for intervals of length one.

    `theta`, shape (T, rows), is the place in the row's interval, from 0 to 1.
    """
    rows = zip(*(_whole(theta), _halved(theta), _inside(theta)), strict=True)
    first, second, first_below, second_below = (
        jnp.where(_IS_WHOLE, whole, jnp.where(_IS_LAST, inside, halved)) for whole, halved, inside in rows
    )
    return (first, second), (first_below, second_below)


def _whole(theta: Any) -> tuple:
    """A straight line and a parabola."""
    bow = theta * (1 - theta)
    return theta, _ROOT_3 * bow, theta**2 / 2, _ROOT_3 * (theta**2 / 2 - theta**3 / 3)


def _halved(theta: Any) -> tuple:
    """What the two numbers of a halving add: parabolas on both halves."""
    is_left = theta < 0.5
    phi = jnp.where(is_left, 2 * theta, 2 * theta - 1)
    bow, under = 3 * phi * (1 - phi), 3 * phi**2 / 2 - phi**3
    sign = jnp.where(is_left, 1.0, -1.0).astype(theta.dtype)
    line = jnp.where(is_left, phi, 1 - phi)
    under_line = jnp.where(is_left, phi**2 / 2, phi - phi**2 / 2)
    beyond = jnp.where(is_left, 0.0, 0.5).astype(theta.dtype) + sign * under
    return (line - bow) / 4, sign * bow / (2 * _ROOT_3), (under_line - under) / 8, beyond / (4 * _ROOT_3)


def _inside(theta: Any) -> tuple:
    """The law of the path and its integral at a place, given both at the end: by Cholesky's factors."""
    q = theta * (1 - theta)
    variance = q * (1 - 3 * q)
    deviation = jnp.sqrt(jnp.maximum(variance, 0.0))
    covariance = theta**2 * (1 - theta) / 2 - 3 * q * (theta**2 / 2 - theta**3 / 3)
    slope = jnp.where(variance > 0, covariance / jnp.where(variance > 0, deviation, 1.0), 0.0)
    rest = jnp.sqrt(jnp.maximum(q, 0.0) ** 3 / (12 * (1 - 3 * q)))
    return deviation, jnp.zeros_like(theta), slope, rest
