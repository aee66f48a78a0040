"""Gauss-Jordan elimination with full pivoting: rank, null space and solutions of matrices that may be singular."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from .loops import vary_like

MAX_WRITTEN_OUT = 100
"""Size up to which products of matrices are sums written out."""


class RowReduction(NamedTuple):
    """`transform @ matrix` is zero but for one unit in each pivot's row and column, and in columns without a pivot."""

    transform: Float[Array, "n n"]
    """Regular; the rows without a pivot span the left null space."""
    pivots: Int[Array, " n"]
    """The column of each row's pivot; -1 for rows that are linear combinations of the others."""

    @property
    def is_dependent(self) -> Bool[Array, " n"]:
        """Which rows of the transformed matrix vanish."""
        return self.pivots < 0

    def solve(self, rhs: Float[Array, " n"]) -> Float[Array, " n"]:
        """`x` with `matrix @ x = rhs` in the rows with a pivot; entries without a pivot are zero."""
        reduced = jnp.where(self.is_dependent, 0.0, product(self.transform, rhs))
        chosen = self.pivots[None, :] == jnp.arange(rhs.size)[:, None]
        return jnp.sum(jnp.where(chosen, reduced[None, :], 0.0), axis=1)


def row_reduce(matrix: Float[Array, "n n"]) -> RowReduction:
    """Eliminate with full pivoting after scaling every row by its largest entry.

    Pivots below `10 n eps` of the scaled matrix count as zero. Plain JAX without custom calls, scatters or sorts; n
    sequential steps of 4 n^2 operations, so for n up to about a hundred. Not made for derivatives: ranks jump.

    References
    ----------
    Golub & Van Loan, Matrix Computations (2013), 3.4.
    """
    size, dtype = matrix.shape[0], matrix.dtype
    index = jnp.arange(size)
    smallest = 10 * size * jnp.finfo(dtype).eps
    largest = jnp.max(jnp.abs(matrix), axis=1)
    scale = jnp.where(largest > 0, largest, 1.0)
    identity = (index[:, None] == index[None, :]).astype(dtype)

    def eliminate(_: Any, carry: tuple) -> tuple:
        reduced, transform, pivots = carry
        size_left = jnp.where((pivots < 0)[:, None], jnp.abs(reduced), 0.0)
        by_row = jnp.max(size_left, axis=1)
        i = jnp.argmax(by_row)
        row_of = index == i
        j = jnp.argmax(jnp.max(jnp.where(row_of[:, None], size_left, 0.0), axis=0))
        found = jnp.max(by_row) > smallest
        column = jnp.sum(jnp.where((index == j)[None, :], reduced, 0.0), axis=1)
        pivot = jnp.sum(jnp.where(row_of, column, 0.0))
        factors = jnp.where(found, jnp.where(row_of, pivot - 1, column) / jnp.where(found, pivot, 1.0), 0.0)

        def without(values: Any) -> Any:
            row = jnp.sum(jnp.where(row_of[:, None], values, 0.0), axis=0)
            return values - factors[:, None] * row[None, :]

        return without(reduced), without(transform), jnp.where(found & row_of, j, pivots)

    init = (matrix / scale[:, None], identity / scale[:, None], jnp.full(size, -1, index.dtype))
    _, transform, pivots = lax.fori_loop(0, size, eliminate, vary_like(init, matrix))
    return RowReduction(transform, pivots)


def product(a: Any, b: Any) -> Any:
    """`a @ b` for a matrix and a vector or a matrix, in full precision on every device."""
    if a.shape[0] > MAX_WRITTEN_OUT:
        return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
    # As a sum, not a call of a library: batched small products cannot be part of one kernel on the CPU.
    return jnp.sum(a * b[None, :], axis=1) if b.ndim == 1 else jnp.sum(a[:, :, None] * b[None, :, :], axis=1)
