"""LU factorisation of a banded matrix in plain JAX, without a custom call."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Inexact, Int

from .loops import vary_like


class BandedMatrix(eqx.Module):
    """A square matrix whose entries lie near the diagonal, `A[i, j] = rows[i, lower + j - i]`.

    Parameters
    ----------
    rows
        One row of the matrix per row, from `lower` places left of the diagonal to `upper` places right of it. What
        would lie outside the matrix is ignored.
    lower, upper
        Numbers of diagonals below and above the main diagonal.

    Notes
    -----
    LAPACK's band storage holds columns instead: see `from_lapack`.
    """

    rows: Inexact[Array, "n width"]
    lower: int = eqx.field(static=True)
    upper: int = eqx.field(static=True)

    def __check_init__(self):
        shape = jnp.shape(self.rows)
        if len(shape) != 2 or min(self.lower, self.upper) < 0 or shape[1] != self.lower + self.upper + 1:
            msg = (
                f"`rows` of a banded matrix must have shape (n, lower + upper + 1) with bandwidths of at least 0; got "
                f"shape {shape} for lower = {self.lower} and upper = {self.upper}. `BandedMatrix.from_dense` makes it."
            )
            raise ValueError(msg)

    @classmethod
    def from_dense(cls, matrix: Inexact[Array, "n n"], lower: int, upper: int) -> "BandedMatrix":
        """The band of a dense matrix; what lies outside it is dropped."""
        size = matrix.shape[0]
        columns = np.arange(size)[:, None] + np.arange(-lower, upper + 1)
        inside = (columns >= 0) & (columns < size)
        taken = matrix[np.arange(size)[:, None], np.clip(columns, 0, size - 1)]
        return cls(jnp.where(inside, taken, 0), lower, upper)

    @classmethod
    def from_lapack(cls, bands: Inexact[Array, "width n"], lower: int, upper: int) -> "BandedMatrix":
        """From LAPACK's (and SciPy's) storage, `bands[upper + i - j, j] = A[i, j]`."""
        size = bands.shape[1]
        columns = np.arange(size)[:, None] + np.arange(-lower, upper + 1)
        inside = (columns >= 0) & (columns < size)
        taken = bands[np.arange(lower + upper, -1, -1)[None, :], np.clip(columns, 0, size - 1)]
        return cls(jnp.where(inside, taken, 0), lower, upper)

    def to_dense(self) -> Inexact[Array, "n n"]:
        """The matrix with its zeros."""
        size = self.rows.shape[0]
        offsets = np.arange(size)[None, :] - np.arange(size)[:, None] + self.lower
        inside = (offsets >= 0) & (offsets <= self.lower + self.upper)
        taken = self.rows[np.arange(size)[:, None], np.clip(offsets, 0, self.lower + self.upper)]
        return jnp.where(inside, taken, 0)

    def __matmul__(self, x: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
        """The product with a vector; 2 n (lower + upper + 1) flops."""
        padded = jnp.pad(x, (self.lower, self.upper))
        size = x.shape[0]
        inside = np.arange(size)[:, None] + np.arange(self.lower + self.upper + 1)
        # Entries of `rows` outside the matrix may be anything, NaN included.
        outside = (inside < self.lower) | (inside >= size + self.lower)
        return jnp.sum(jnp.where(outside, 0, self.rows) * padded[inside], axis=1)


class BandedLU(NamedTuple):
    """Factors of a banded matrix, row by row in the order of elimination."""

    upper: Inexact[Array, "n upper_width"]
    """Rows of U from the diagonal on, `lower + upper + 1` wide because of the row exchanges."""
    multipliers: Inexact[Array, "n lower"]
    """What was subtracted from the `lower` rows after each pivot row, in units of it."""
    pivots: Int[Array, " n"]
    """Which row, counted from the pivot's own, was exchanged with it."""


def banded_lu_factor(matrix: BandedMatrix) -> BandedLU:
    """Factor a banded matrix with partial pivoting.

    Cost 2 n lower (lower + upper) flops and 8 n (2 lower + upper) bytes; a loop of n steps, each of which updates a
    window of `lower + 1` rows as a whole. A singular matrix gives non-finite factors or results. From a bandwidth of
    about 50 on, `block_tridiagonal_factor` is faster, as it multiplies matrices.

    References
    ----------
    Golub, Van Loan, Matrix Computations, 4th ed., section 4.3.
    """
    rows, lower, upper = matrix.rows, matrix.lower, matrix.upper
    size, width = rows.shape[0], lower + upper + 1
    # Rows past the end are those of the identity: they have no part in any column of the matrix.
    identity = jnp.zeros((1, width), rows.dtype).at[0, lower].set(1)
    clean = jnp.where(_outside(size, lower, upper), 0, rows)
    padded = jnp.concatenate([clean, jnp.broadcast_to(identity, (lower + 1, width))])
    first = padded[: lower + 1]
    # Row i of the window begins at the pivot's column: shifted by what lies left of it, which is empty in row 0.
    window = jnp.stack([jnp.pad(first[i], (0, lower))[lower - i : lower - i + width] for i in range(lower + 1)])
    index = jnp.arange(lower + 1)

    def eliminate(window, new_row):
        size_in_column = jnp.abs(window[:, 0])
        pivot = jnp.argmax(size_in_column)
        row = jnp.sum(jnp.where(index[:, None] == pivot, window, 0), axis=0)
        rest = jnp.where(index[1:, None] == pivot, window[0], window[1:])
        multipliers = rest[:, 0] / row[0]
        rest = rest[:, 1:] - multipliers[:, None] * row[1:]
        window = jnp.concatenate([jnp.pad(rest, ((0, 0), (0, 1))), new_row[None]])
        return window, (row, multipliers, pivot)

    init = vary_like(window, rows)
    _, (u, multipliers, pivots) = lax.scan(eliminate, init, padded[lower + 1 :])
    return BandedLU(u, multipliers, pivots)


def banded_lu_solve(factors: BandedLU, rhs: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
    """Solve `A x = rhs` from the factors; linear in `rhs`, so JAX can transpose it.

    Cost 2 n (2 lower + upper) flops, in two loops of n steps.
    """
    u, multipliers, pivots = factors
    lower, width = multipliers.shape[1], u.shape[1]
    index = jnp.arange(lower + 1)

    def forward(window, step):
        new, multiplier, pivot = step
        x = jnp.sum(jnp.where(index == pivot, window, 0))
        rest = jnp.where(index[1:] == pivot, window[0], window[1:]) - multiplier * x
        return jnp.concatenate([rest, new[None]]), x

    def backward(later, step):
        right, row = step
        x = (right - jnp.sum(row[1:] * later)) / row[0]
        return jnp.concatenate([x[None], later])[: width - 1], x

    dtype = jnp.result_type(u, rhs)
    padded = jnp.concatenate([rhs.astype(dtype), jnp.zeros(lower + 1, dtype)])
    init = vary_like(padded[: lower + 1], rhs, u)
    _, x = lax.scan(forward, init, (padded[lower + 1 :], multipliers, pivots))
    init = vary_like(jnp.zeros(width - 1, dtype), rhs, u)
    _, x = lax.scan(backward, init, (x, u), reverse=True)
    return x


def _outside(size: int, lower: int, upper: int) -> Any:
    columns = np.arange(size)[:, None] + np.arange(-lower, upper + 1)
    return (columns < 0) | (columns >= size)
