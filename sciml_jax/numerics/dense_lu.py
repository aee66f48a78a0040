"""LU factorisation of a dense matrix in plain JAX loops, without a custom call.

LAPACK calls inside a compiled loop make XLA:CPU dispatch every operation of the loop separately, so moderate sizes use
loops over columns whose updates are whole-array operations. From `LAPACK_SIZE` unknowns on the arithmetic outweighs the
dispatch and LAPACK is used.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Inexact, Int

from .loops import vary_like

LAPACK_SIZE = 48
"""From this size on LAPACK wins on a CPU: its blocked updates outweigh the cost of dispatching the loop's operations.
"""


class DenseLU(NamedTuple):
    """Factors of a dense matrix, `A[permutation] = L U`, L and U combined in one array."""

    lu: Inexact[Array, "n n"]
    permutation: Int[Array, " n"]


def dense_lu_factor(matrix: Inexact[Array, "n n"]) -> DenseLU:
    """Factor a square matrix with partial pivoting. Cost 2 n^3/3 flops. A singular matrix gives non-finite factors."""
    size = matrix.shape[0]
    if size >= LAPACK_SIZE:
        lu, _, permutation = lax.linalg.lu(matrix)
        return DenseLU(lu, permutation)
    index = jnp.arange(size)

    def eliminate(k, carry):
        lu, permutation = carry
        column = jnp.where(index >= k, jnp.abs(lu[:, k]), -1.0)
        pivot = jnp.argmax(column)
        # A NaN column must not select a row above k.
        pivot = jnp.maximum(pivot, k)
        order = jnp.where(index == k, pivot, jnp.where(index == pivot, k, index))
        lu, permutation = lu[order], permutation[order]
        factors = jnp.where(index > k, lu[:, k] / lu[k, k], 0.0)
        row = jnp.where(index > k, lu[k], 0.0)
        lu = lu - factors[:, None] * row[None, :]
        lu = lu.at[:, k].set(jnp.where(index > k, factors, lu[:, k]))
        return lu, permutation

    init = vary_like((matrix, index), matrix)
    return DenseLU(*lax.fori_loop(0, size, eliminate, init))


def dense_lu_solve(factors: DenseLU, rhs: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
    """Solve `A x = rhs` from the factors; linear in `rhs`, so JAX can transpose it. Cost 2 n^2 flops."""
    lu, permutation = factors
    size = lu.shape[0]
    x = rhs[permutation]
    if size >= LAPACK_SIZE:
        x = jax.scipy.linalg.solve_triangular(lu, x, lower=True, unit_diagonal=True)
        return jax.scipy.linalg.solve_triangular(lu, x, lower=False)
    index = jnp.arange(size)

    def forward(k, x):
        return x - jnp.where(index > k, lu[:, k], 0.0) * x[k]

    def backward(step, x):
        k = size - 1 - step
        x_k = x[k] / lu[k, k]
        return jnp.where(index == k, x_k, x - jnp.where(index < k, lu[:, k], 0.0) * x_k)

    x = lax.fori_loop(0, size, forward, vary_like(x, x, lu))
    return lax.fori_loop(0, size, backward, x)
