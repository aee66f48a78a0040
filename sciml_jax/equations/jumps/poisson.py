"""Poisson numbers in plain operations, for loops that are one kernel."""

from typing import Any

import jax.numpy as jnp

from ...numerics.loops import while_loop
from .random_words import hashed_words

SMALL = 10.0
"""Means below which the distribution is inverted term by term."""

MOST_TERMS = 100
"""Terms of that inversion: a mean of 10 exceeds them with a probability below 1e-60."""


def poisson(words: tuple, means: Any) -> Any:
    """Independent Poisson numbers with the given means, an array (R,), as floats of the same dtype.

    Inversion below a mean of 10, transformed rejection above (Hoermann, The transformed rejection method for generating
    Poisson random variables, Insurance: Mathematics and Economics 12, 1993). `words` seeds the call: they must differ
    from one call to the next. Means that are zero, negative or NaN give zero.
    """
    means = jnp.where(means > 0, means, 0.0)
    is_small = means < SMALL
    # Each loop sees means that it is done with at once, where the other one is to be taken.
    few = _inverted(_uniform(words, 0, means, 1)[0], jnp.where(is_small, means, 0.0))
    many = _rejected(words, jnp.maximum(means, SMALL), is_small)
    return jnp.where(is_small, few, many)


def _uniform(words: tuple, trial: Any, like: Any, number: int) -> Any:
    """Uniform numbers in (0, 1), two words each, shape (number, R)."""
    places = jnp.arange(number * like.shape[0], dtype=jnp.uint32)
    first, second = hashed_words(words, jnp.asarray(trial, jnp.uint32), places)
    if jnp.finfo(like.dtype).bits < 64:
        digits = jnp.finfo(like.dtype).nmant
        uniform = ((first >> jnp.uint32(32 - digits)).astype(like.dtype) + 0.5) * jnp.asarray(2.0**-digits, like.dtype)
    else:
        low = (second >> jnp.uint32(12)).astype(like.dtype) + 0.5
        uniform = (first.astype(like.dtype) + low * 2.0**-20) * 2.0**-32
    return uniform.reshape(number, *like.shape)


def _inverted(uniform: Any, means: Any) -> Any:
    def count(carry):
        k, term, below, number = carry
        more = uniform > below
        term = term * means / (k + 1)
        return k + 1, term, below + term, number + more.astype(means.dtype)

    first = jnp.exp(-means)
    init = (jnp.zeros((), means.dtype), first, first, jnp.zeros_like(means))
    wants = lambda carry: jnp.any(uniform > carry[2]) & (carry[0] < MOST_TERMS)
    return while_loop(wants, count, init, uniform, means)[3]


def _rejected(words: tuple, means: Any, done: Any) -> Any:
    root = jnp.sqrt(means)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    squeeze = 0.9277 - 3.6224 / (b - 2.0)

    def trial(carry):
        count, number, done = carry
        u, v = _uniform(words, count + 1, means, 2)
        u = u - 0.5
        side = 0.5 - jnp.abs(u)
        k = jnp.floor((2.0 * a / side + b) * u + means + 0.43)
        quick = (side >= 0.07) & (v <= squeeze)
        possible = (k >= 0) & ((side >= 0.013) | (v <= side))
        height = jnp.log(v * inverse_alpha / (a / (side * side) + b))
        accepted = quick | (possible & (height <= _log_probability(jnp.maximum(k, 0.0), means)))
        return count + 1, jnp.where(done, number, k), done | accepted

    init = (jnp.zeros((), jnp.uint32), jnp.zeros_like(means), done)
    return while_loop(lambda carry: jnp.any(~carry[2]), trial, init, words, means)[1]


def _log_probability(k: Any, mean: Any) -> Any:
    """Logarithm of the probability of `k`, to rounding of its own size and not to that of `mean`."""
    x = (k - mean) / mean
    near = x * x * (0.5 - x * (1 / 6 - x * (1 / 12 - x * (1 / 20 - x * (1 / 30 - x / 42)))))
    far = (1.0 + x) * jnp.log(jnp.maximum(1.0 + x, jnp.finfo(mean.dtype).tiny)) - x
    deviance = mean * jnp.where(jnp.abs(x) < 0.05, near, far)
    safe = jnp.maximum(k, 1.0)
    stirling = 0.5 * jnp.log(2 * jnp.pi * safe) + 1 / (12 * safe) - 1 / (360 * safe**3)
    return -deviance - jnp.where(k > 0, stirling, 0.0)
