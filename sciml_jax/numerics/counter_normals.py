"""Normal numbers by counter: the same two for the same key and counter, wherever and whenever they are asked for.

`jax.random` does this too, through a key for every counter and a loop over the rounds of its generator; written out,
on a whole array of counters at once, it costs a tenth, which is what a Brownian tree consists of.
"""

from typing import Any

import jax
import jax.numpy as jnp

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA

_CENTRE = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503)
_CENTRE += (-0.00417768164, 0.246640727, 1.50140941)
_TAIL = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613)
_TAIL += (0.00943887047, 1.00167406, 2.83297682)


def key_words(key: Any) -> Any:
    """Two words that stand for a PRNG key of any kind: uint32, shape (2,)."""
    return jax.random.bits(key, (2,), jnp.uint32)


def threefry(words: Any, first: Any, second: Any) -> tuple[Any, Any]:
    """Two random words for every pair of counters (uint32 arrays of one shape): Threefry-2x32 with 20 rounds.

    Salmon, Moraes, Dror & Shaw, Parallel random numbers: as easy as 1, 2, 3, SC11 (2011).
    """
    keys = words[0], words[1], words[0] ^ words[1] ^ jnp.uint32(_PARITY)
    x, y = first + keys[0], second + keys[1]
    for block in range(5):
        for turn in _ROTATIONS[block % 2]:
            x = x + y
            y = (y << jnp.uint32(turn)) | (y >> jnp.uint32(32 - turn))
            y = x ^ y
        x = x + keys[(block + 1) % 3]
        y = y + keys[(block + 2) % 3] + jnp.uint32(block + 1)
    return x, y


def normal_pairs(words: Any, first: Any, second: Any) -> tuple[Any, Any]:
    """Two independent normal numbers (float32) for every pair of counters.

    Their law is normal up to 1e-6 and 6.2 standard deviations.
    """
    x, y = threefry(words, first, second)
    return _normal(x), _normal(y)


def _normal(bits: Any) -> Any:
    """The quantile of a uniform number, from its 32 bits: its sign, and 31 bits for the distance from the nearer end.

    Giles, Approximating the erfinv function, GPU Computing Gems Jade (2011), in terms of that distance.
    """
    distance = ((bits >> jnp.uint32(1)).astype(jnp.float32) + 0.5) * jnp.float32(2.0**-32)
    w = -jnp.log(4 * distance * (1 - distance))
    is_central = w < 5
    near, far = w - 2.5, jnp.sqrt(jnp.maximum(w, 5.0)) - 3
    root = jnp.where(is_central, _polynomial(_CENTRE, near), _polynomial(_TAIL, far))
    size = jnp.float32(2.0**0.5) * (1 - 2 * distance) * root
    return jnp.where((bits & jnp.uint32(1)) == 1, size, -size)


def _polynomial(coefficients: tuple, x: Any) -> Any:
    total = jnp.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total
