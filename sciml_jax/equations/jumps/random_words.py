"""Random numbers for loops over events: a small generator per lane, in plain integer operations.

XLA compiles a loop into one kernel only without its own random bits (`numerics.one_kernel`), and an event needs so few
other operations that a cryptographic generator would be most of its cost.
"""

from typing import Any

import jax
import jax.numpy as jnp

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def seed_words(key: Any) -> Any:
    """Four words, shape (4,), from a PRNG key: where a lane's generator starts."""
    words = jax.random.bits(key, (4,), jnp.uint32)
    # The generator stays at zero for ever.
    return words.at[0].set(jnp.where(jnp.all(words == 0), jnp.uint32(1), words[0]))


def next_word(words: tuple) -> tuple[Any, tuple]:
    """The next 32 random bits and the generator after them.

    xoshiro128++, period 2^128 - 1 (Blackman & Vigna, Scrambled linear pseudorandom number generators, ACM Transactions
    on Mathematical Software 47, 2021). Lanes start at independent random places: that two of them meet within 2^40
    events has a probability below 2^-47 for a million lanes.
    """
    a, b, c, d = words
    result = _rotate(a + d, 7) + a
    shifted = b << jnp.uint32(9)
    c, d = c ^ a, d ^ b
    b, a = b ^ c, a ^ d
    return result, (a, b, c ^ shifted, _rotate(d, 11))


def exponential_and_uniform(first: Any, second: Any, dtype: Any) -> tuple[Any, Any]:
    """A standard exponential number and one uniform in [0, 1), from two words.

    The exponential has 24 bits, of 32 random ones (it stays below 23). The uniform is always below one after rounding;
    in double precision it takes another 16 bits from the word of the exponential, which that does not depend on to
    within its precision, so that reactions of relative rate 1e-14 still occur.
    """
    half = jnp.float32(0.5)
    exponential = -jnp.log((first.astype(jnp.float32) + half) * jnp.float32(2.0**-32)).astype(dtype)
    if jnp.finfo(dtype).bits < 64:
        # As many bits as the dtype holds: rounding up to one would fire the last reaction, whatever its rate.
        digits = jnp.finfo(dtype).nmant + 1
        uniform = (second >> jnp.uint32(32 - digits)).astype(dtype) * jnp.asarray(2.0**-digits, dtype)
        return exponential, uniform
    low = ((first & jnp.uint32(0xFFFF)).astype(dtype) + 0.5) * 2.0**-16
    return exponential, (second.astype(dtype) + low) * 2.0**-32


def hashed_words(words: tuple, counter: Any, places: Any) -> tuple[Any, Any]:
    """Two arrays of random words, shaped like `places` (distinct integers), for one value of a counter.

    Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror & Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011) of
    (counter, place) under the first two words of a generator that does not move.
    """
    key = (words[0], words[1], words[0] ^ words[1] ^ jnp.uint32(_PARITY))
    x = jnp.broadcast_to(counter.astype(jnp.uint32) + key[0], places.shape)
    y = places.astype(jnp.uint32) + key[1]
    for i in range(20):
        x = x + y
        y = _rotate(y, _ROTATIONS[(i // 4) % 2][i % 4]) ^ x
        if i % 4 == 3:
            j = i // 4 + 1
            x, y = x + key[j % 3], y + key[(j + 1) % 3] + jnp.uint32(j)
    return x, y


def _rotate(word: Any, by: int) -> Any:
    return (word << jnp.uint32(by)) | (word >> jnp.uint32(32 - by))
