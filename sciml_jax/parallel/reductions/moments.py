"""Mean and variance over members, merged chunk by chunk."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from .base import AbstractReduction, check_of


class Moments(NamedTuple):
    """Of one array: how many members, their mean, and the sum of squares about it."""

    count: Any
    mean: Any
    squares: Any


class _Moments(AbstractReduction):
    skip_nan: bool = eqx.field(static=True)

    def summarise(self, values: PyTree, valid: Any) -> PyTree:
        return jax.tree.map(lambda leaf: _chunk_moments(leaf, valid, self.skip_nan), values)

    def load(self, summary: PyTree) -> PyTree:
        # Double precision from here on, whatever the members' dtype.
        return jax.tree.map(lambda leaf: leaf.astype(np.complex128 if np.iscomplexobj(leaf) else np.float64), summary)

    def merge(self, a: PyTree, b: PyTree) -> PyTree:
        return jax.tree.map(_merge, a, b, is_leaf=_is_moments)


class Mean(_Moments):
    """The reduction made by `mean`."""

    def finish(self, state: PyTree) -> PyTree:
        """The mean of every entry."""
        return jax.tree.map(lambda m: np.where(m.count > 0, m.mean, np.nan), state, is_leaf=_is_moments)


class Variance(_Moments):
    """The reduction made by `variance`."""

    ddof: int = eqx.field(static=True)

    def finish(self, state: PyTree) -> PyTree:
        """The variance of every entry."""

        def one(m):
            freedom = m.count - self.ddof
            return np.where(freedom > 0, m.squares / np.maximum(freedom, 1), np.nan)

        return jax.tree.map(one, state, is_leaf=_is_moments)


def mean(of: Callable[[PyTree], PyTree] | None = None, *, skip_nan: bool = False) -> Mean:
    r"""The mean over members, $\bar x = \frac1n\sum_i x_i$, entry by entry.

    Parameters
    ----------
    of
        What to reduce of one member's output, ``lambda sol: sol.ys`` for example; None: all its arrays.
    skip_nan
        Leave NaN entries out, each entry with its own count. False: an entry that is NaN for any member is NaN.

    Returns
    -------
    A reduction for ``ensemble(..., reduce=)``. Its result has the structure and shapes of one member's output, NumPy
    arrays in double precision; NaN where no member counted.

    Notes
    -----
    Within a chunk in the members' own dtype, across chunks in double precision. Memory: two arrays like one output.
    Members whose status is a failure never count.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque, Algorithms for computing the sample variance, Am. Stat. 37 (1983).
    """
    check_of(of, "mean(lambda sol: sol.ys)")
    return Mean(of, bool(skip_nan))


def variance(of: Callable[[PyTree], PyTree] | None = None, *, ddof: int = 0, skip_nan: bool = False) -> Variance:
    r"""The variance over members, $\frac1{n - \mathrm{ddof}}\sum_i |x_i - \bar x|^2$, entry by entry.

    Sums of squares are taken about each chunk's own mean and merged by Chan's formula, so that nothing cancels when the
    spread is small beside the mean.

    Parameters
    ----------
    of, skip_nan
        As in `mean`.
    ddof
        0: population variance; 1: the unbiased estimate.

    Returns
    -------
    A reduction for ``ensemble(..., reduce=)``; results as for `mean`, NaN where there are not more than ``ddof``
    members.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque, Algorithms for computing the sample variance, Am. Stat. 37 (1983).
    """
    check_of(of, "variance(lambda sol: sol.ys)")
    if isinstance(ddof, bool) or not isinstance(ddof, int) or ddof < 0:
        msg = f"`ddof` must be an integer of at least 0; got {ddof!r}. Use ddof=0 or ddof=1."
        raise ValueError(msg)
    return Variance(of, bool(skip_nan), ddof)


def _is_moments(node: Any) -> bool:
    return isinstance(node, Moments)


def _chunk_moments(leaf, valid, skip_nan: bool) -> Moments:
    x = leaf if jnp.issubdtype(leaf.dtype, jnp.inexact) else leaf.astype(float)
    counted = jnp.broadcast_to(valid.reshape(-1, *[1] * (x.ndim - 1)), x.shape)
    if skip_nan:
        counted = counted & ~jnp.isnan(x)
    count = counted.sum(axis=0)
    average = jnp.where(counted, x, 0).sum(axis=0) / jnp.maximum(count, 1)
    squares = jnp.where(counted, jnp.abs(x - average) ** 2, 0).sum(axis=0)
    return Moments(count, average, squares)


def _merge(a: Moments, b: Moments) -> Moments:
    count = a.count + b.count
    with np.errstate(invalid="ignore", over="ignore"):
        share = b.count / np.maximum(count, 1)
        # Weights and not a difference: a mean that is infinite stays so.
        average = np.where(share > 0, share * b.mean, 0) + np.where(share < 1, (1 - share) * a.mean, 0)
        both = (share > 0) & (share < 1)
        between = np.where(both, np.abs(b.mean - a.mean) ** 2 * a.count * share, 0)
        return Moments(count, average, a.squares + b.squares + between)
