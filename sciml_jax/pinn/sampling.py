"""Points in a box: random, stratified and quasi-random, drawn inside the compiled step."""

import abc
import operator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .sobol_directions import BITS, MOST_COORDINATES, directions


class AbstractSampler(eqx.Module):
    """A way to put `n` points into a box; `points` is pure, so that points are drawn anew inside a compiled step."""

    def points(self, key: Any, n: int, lower: Float[Array, " d"], upper: Float[Array, " d"]) -> Float[Array, "n d"]:
        """`n` points with `lower <= z <= upper`, in the dtype of `lower`.

        Parameters
        ----------
        key
            PRNG key. May be None for sequences that are not scrambled.
        n
            Number of points, known at trace time.
        lower, upper
            Corners of the box, shape (d,).

        Raises
        ------
        TypeError, ValueError
            For another kind of `n`, corners of other shapes, or a missing key.
        """
        lower, upper = jnp.asarray(lower), jnp.asarray(upper)
        n = _check(self, key, n, lower, upper)
        unit = self.unit(key, n, lower.shape[0], lower.dtype)
        return lower + (upper - lower).astype(lower.dtype) * unit

    @abc.abstractmethod
    def unit(self, key: Any, n: int, d: int, dtype: Any) -> Float[Array, "n d"]:
        """`n` points in the unit cube of `d` dimensions."""

    @property
    def needs_key(self) -> bool:
        """Whether the points are random."""
        return getattr(self, "scramble", True)


class Uniform(AbstractSampler):
    """Independent points, uniform in the box. Integrates with an error of order `n^(-1/2)` in any dimension."""

    def unit(self, key: Any, n: int, d: int, dtype: Any) -> Float[Array, "n d"]:
        """See `AbstractSampler`."""
        return jax.random.uniform(key, (n, d), dtype)


class LatinHypercube(AbstractSampler):
    """Stratified points: each of the `n` slabs along every coordinate holds exactly one point, at random inside it.

    For functions that are nearly sums of functions of one coordinate the error is far below that of `Uniform`; never
    above it for large `n`.

    References
    ----------
    McKay, Beckman, Conover: A comparison of three methods for selecting values of input variables, Technometrics 21
    (1979).
    """

    def unit(self, key: Any, n: int, d: int, dtype: Any) -> Float[Array, "n d"]:
        """See `AbstractSampler`."""
        order, inside = jax.random.split(key)
        slabs = jnp.broadcast_to(jnp.arange(n, dtype=dtype)[:, None], (n, d))
        slabs = jax.random.permutation(order, slabs, axis=0, independent=True)
        return _below_one((slabs + jax.random.uniform(inside, (n, d), dtype)) / n)


class Sobol(AbstractSampler):
    """The Sobol sequence, of which `n` points fill the box evenly; best for `n` a power of two.

    Integrates smooth functions of few coordinates with an error of order `1 / n`, scrambled nearly `n^(-3/2)`.

    Parameters
    ----------
    scramble
        Scramble the digits at random (nested, after Owen), so that every draw is another set, each point uniform in the
        box and the set as even as before. Without it every draw is the same set, which begins with `lower`.

    Raises
    ------
    ValueError
        For more than 32 coordinates.

    References
    ----------
    Sobol: USSR Comput. Math. Math. Phys. 7 (1967). Joe, Kuo: SIAM J. Sci. Comput. 30 (2008). Owen: J. Complexity 14
    (1998). Burley: Practical hash-based Owen scrambling, J. Comput. Graph. Tech. 9 (2020).
    """

    scramble: bool = eqx.field(static=True, default=True)

    def unit(self, key: Any, n: int, d: int, dtype: Any) -> Float[Array, "n d"]:
        """See `AbstractSampler`."""
        if d > MOST_COORDINATES:
            msg = (
                f"`Sobol` has direction numbers for at most {MOST_COORDINATES} coordinates; got {d}. Use `Halton()` or "
                "`LatinHypercube()`."
            )
            raise ValueError(msg)
        numbers = jnp.asarray(directions(d))
        index = jnp.arange(n, dtype=jnp.uint32)
        gray = index ^ (index >> 1)
        digits = jnp.zeros((n, d), jnp.uint32)
        for bit in range(max(1, (n - 1).bit_length())):
            digits = digits ^ jnp.where((gray >> bit) & 1, numbers[:, bit, None], 0).T.astype(jnp.uint32)
        if self.scramble:
            digits = _nested_scramble(digits, jax.random.bits(key, (d,), jnp.uint32))
        return _as_fractions(digits, dtype)


class Halton(AbstractSampler):
    """The Halton sequence: coordinate `i` is the radical inverse of the index in the i-th prime, for any dimension.

    Integrates smooth functions with an error of order `log(n)^d / n`; `n` need not be a power of two.

    Parameters
    ----------
    scramble
        Permute the digits at random, so that every draw is another set, each point uniform in the box: the first digit
        of each coordinate by any permutation, later ones by affine maps. Without it every draw is the same set, which
        begins with `lower`; unscrambled coordinates beyond the tenth are visibly correlated.

    References
    ----------
    Halton: Numer. Math. 2 (1960). Matousek: On the L2-discrepancy for anchored boxes, J. Complexity 14 (1998).
    """

    scramble: bool = eqx.field(static=True, default=True)

    def unit(self, key: Any, n: int, d: int, dtype: Any) -> Float[Array, "n d"]:
        """See `AbstractSampler`."""
        bases = _primes(d)
        # Digits that the index or the precision cannot reach change nothing.
        length = (BITS if self.scramble else max(1, (n - 1).bit_length())) if jnp.finfo(dtype).bits >= 64 else 24
        factor, shift, leading = jnp.ones((length, d), jnp.uint32), jnp.zeros((length, d), jnp.uint32), None
        if self.scramble:
            keys = jax.random.split(key, 3)
            factor = jax.random.randint(keys[0], (length, d), 1, bases).astype(jnp.uint32)
            shift = jax.random.randint(keys[1], (length, d), 0, bases).astype(jnp.uint32)
            # In large bases most points differ in the first digit only: affine maps of it would look alike.
            noise = jnp.where(np.arange(bases[-1]) < bases[:, None], jax.random.uniform(keys[2], (d, bases[-1])), 2.0)
            leading = jnp.argsort(noise, axis=1).astype(jnp.uint32)
        base = jnp.asarray(bases, jnp.uint32)

        def digit(carry: tuple, permutation: tuple) -> tuple[tuple, None]:
            rest, weight, total = carry
            turned = (permutation[0] * (rest % base) + permutation[1]) % base
            weight = weight / base.astype(dtype)
            return (rest // base, weight, total + turned.astype(dtype) * weight), None

        index = jnp.broadcast_to(jnp.arange(n, dtype=jnp.uint32)[:, None], (n, d))
        start = (index, jnp.ones((d,), dtype), jnp.zeros((n, d), dtype))
        if leading is not None:
            first = jnp.take_along_axis(leading, (index % base).T.astype(jnp.int32), axis=1).T
            weight = 1 / base.astype(dtype)
            start = (index // base, weight, first.astype(dtype) * weight)
        (_, _, total), _ = jax.lax.scan(digit, start, (factor, shift))
        return _below_one(total)


def _check(sampler: AbstractSampler, key: Any, n: Any, lower: Array, upper: Array) -> int:
    try:
        count = operator.index(n)
    except TypeError:
        msg = f"`n` must be an integer known at trace time; got {n!r}. Pass a Python integer."
        raise TypeError(msg) from None
    if count < 1:
        msg = f"`n` must be at least 1; got {count}. Ask for one point or more."
        raise ValueError(msg)
    if lower.ndim != 1 or lower.shape != upper.shape or not jnp.issubdtype(lower.dtype, jnp.floating):
        msg = (
            f"`lower` and `upper` must be float vectors of one shape (d,); got {lower.dtype}{lower.shape} and "
            f"{upper.dtype}{upper.shape}. Pass, for example, `jnp.array([0.0, -1.0])` and `jnp.array([1.0, 1.0])`."
        )
        raise ValueError(msg)
    if key is None and sampler.needs_key:
        msg = f"`{type(sampler).__name__}` draws at random and needs a PRNG key; got None. Pass `jax.random.key(0)`."
        raise TypeError(msg)
    return count


def _nested_scramble(digits: Array, seed: Array) -> Array:
    """Each binary digit flipped or not as a hash of the digits before it says."""
    # Reversed, every product and sum carries from low digits to high ones only, that is from first digits to last ones.
    turned = _reverse_bits(digits) + seed
    for multiplier in (0x6C50B47C, 0xB82F1E52, 0xC7AFE638, 0x8D22F6E6):
        turned = turned ^ (turned * jnp.uint32(multiplier))
    return _reverse_bits(turned)


def _reverse_bits(x: Array) -> Array:
    for shift, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF)):
        mask = jnp.uint32(mask)
        x = ((x >> shift) & mask) | ((x & mask) << shift)
    return (x >> 16) | (x << 16)


def _as_fractions(digits: Array, dtype: Any) -> Array:
    # As many leading digits as the dtype holds, or rounding would give 1.
    bits = min(BITS, jnp.finfo(dtype).nmant + 1)
    return (digits >> (BITS - bits)).astype(dtype) * jnp.asarray(2.0**-bits, dtype)


def _below_one(x: Array) -> Array:
    return jnp.minimum(x, jnp.asarray(1 - jnp.finfo(x.dtype).epsneg, x.dtype))


def _primes(count: int) -> np.ndarray:
    limit = 16
    while True:
        limit *= 2
        sieve = np.ones(limit, bool)
        sieve[:2] = False
        for i in range(2, int(limit**0.5) + 1):
            sieve[i * i :: i] &= not sieve[i]
        found = np.flatnonzero(sieve)
        if len(found) >= count:
            return found[:count].astype(np.int32)
