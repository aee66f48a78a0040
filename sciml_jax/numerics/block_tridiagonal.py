"""LU factorisation of a block-tridiagonal matrix: wide bands at the speed of matrix products."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Inexact

from .dense_lu import LAPACK_SIZE, DenseLU, dense_lu_factor, dense_lu_solve
from .loops import vary_like


class BlockTridiagonal(NamedTuple):
    """A matrix of m block rows, `A[i] = (lower[i], diagonal[i], upper[i])` in block columns i-1, i, i+1.

    `lower[0]` and `upper[m-1]` lie outside the matrix and are ignored.
    """

    lower: Inexact[Array, "m b b"]
    diagonal: Inexact[Array, "m b b"]
    upper: Inexact[Array, "m b b"]

    def to_dense(self) -> Inexact[Array, "n n"]:
        """The matrix with its zeros, n = m b."""
        number, size = self.diagonal.shape[:2]
        out = jnp.zeros((number, size, number, size), self.diagonal.dtype)
        index = jnp.arange(number)
        out = out.at[index, :, index].set(self.diagonal)
        out = out.at[index[1:], :, index[:-1]].set(self.lower[1:])
        return out.at[index[:-1], :, index[1:]].set(self.upper[:-1]).reshape(number * size, number * size)

    def __matmul__(self, x: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
        """The product with a vector; 6 n b flops."""
        parts = x.reshape(self.diagonal.shape[:2])
        product = lambda blocks, parts: jnp.einsum("mij,mj->mi", blocks, parts, precision=lax.Precision.HIGHEST)
        out = product(self.diagonal, parts)
        out = out.at[1:].add(product(self.lower[1:], parts[:-1]))
        return out.at[:-1].add(product(self.upper[:-1], parts[1:])).reshape(x.shape)


class BlockTridiagonalLU(NamedTuple):
    """Factors: of the pivot blocks `S[i] = D[i] - L[i] S[i-1]^-1 U[i-1]`, and the blocks that couple them."""

    lower: Inexact[Array, "m b b"]
    """The lower blocks as they were."""
    pivots: DenseLU
    """Factors of the pivot blocks, stacked."""
    coupling: Inexact[Array, "m b b"]
    """`S[i]^-1 U[i]`."""


def block_tridiagonal_factor(matrix: BlockTridiagonal) -> BlockTridiagonalLU:
    """Factor a block-tridiagonal matrix, exchanging rows within each diagonal block.

    Cost 14/3 m b^3 flops, as matrix products and triangular solves of size b in a loop of m steps, and 24 m b^2 bytes.
    A singular pivot block gives non-finite factors, even where the matrix is regular: rows are not exchanged between
    blocks. That is safe for `shift I - J` with a shift that dominates or with dissipative J; otherwise, as for systems
    with algebraic equations that hold no variable of their own block, use `banded_lu_factor`.

    References
    ----------
    Golub, Van Loan, Matrix Computations, 4th ed., section 4.5.
    """
    size = matrix.diagonal.shape[1]
    none = jnp.zeros((1, size, size), matrix.diagonal.dtype)
    # Outside the matrix: with these at zero every step of the loop is alike.
    lower = jnp.concatenate([none, matrix.lower[1:]])
    upper = jnp.concatenate([matrix.upper[:-1], none])

    def eliminate(previous, blocks):
        low, diagonal, up = blocks
        pivot = dense_lu_factor(diagonal - jnp.matmul(low, previous, precision=lax.Precision.HIGHEST))
        coupling = _solve_columns(pivot, up)
        return coupling, (pivot, coupling)

    init = vary_like(none[0], matrix)
    _, (pivots, coupling) = lax.scan(eliminate, init, (lower, matrix.diagonal, upper))
    return BlockTridiagonalLU(lower, pivots, coupling)


def block_tridiagonal_solve(factors: BlockTridiagonalLU, rhs: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
    """Solve `A x = rhs` from the factors; linear in `rhs`, so JAX can transpose it. Cost 8 m b^2 flops."""
    lower, pivots, coupling = factors
    number, size = lower.shape[:2]
    parts = rhs.reshape(number, size)

    def forward(previous, step):
        right, low, pivot = step
        x = dense_lu_solve(pivot, right - jnp.matmul(low, previous, precision=lax.Precision.HIGHEST))
        return x, x

    def backward(later, step):
        right, couple = step
        x = right - jnp.matmul(couple, later, precision=lax.Precision.HIGHEST)
        return x, x

    init = vary_like(jnp.zeros(size, jnp.result_type(lower, rhs)), factors, rhs)
    _, x = lax.scan(forward, init, (parts, lower, pivots))
    _, x = lax.scan(backward, init, (x, coupling), reverse=True)
    return x.reshape(rhs.shape)


def _solve_columns(pivot: DenseLU, columns: Inexact[Array, "b k"]) -> Inexact[Array, "b k"]:
    if columns.shape[0] < LAPACK_SIZE:
        return jax.vmap(dense_lu_solve, (None, 1), 1)(pivot, columns)
    columns = columns[pivot.permutation]
    columns = lax.linalg.triangular_solve(pivot.lu, columns, left_side=True, lower=True, unit_diagonal=True)
    return lax.linalg.triangular_solve(pivot.lu, columns, left_side=True, lower=False)
