"""Solve small and moderate dense systems repeatedly with one factorisation, differentiably.

The derivative is the linear system's own, `dx = A^-1 (db - dA x)`: it reuses the factors and never differentiates
through the elimination.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .dense_lu import dense_lu_factor, dense_lu_solve
from .small_lu import small_lu_factor, small_lu_solve


def factorised_solver(matrix: Any) -> Callable[[Any], Any]:
    """Factor a matrix once and return `solve(rhs) -> x` with `matrix @ x = rhs`.

    Parameters
    ----------
    matrix
        An array of shape (n, n), for which `rhs` is an array of shape (n,); or a tuple of rows, each a tuple of scalars
        (small n, unrolled), for which `rhs` is a tuple of scalars.

    Notes
    -----
    Differentiable in both modes and to any order with respect to the matrix and the right-hand side. A singular matrix
    gives non-finite results.
    """
    # No stop_gradient on the factors: a transposed solve (reverse mode) uses them directly, and a derivative of that
    # transpose (a Hessian) must see how they depend on the matrix. First derivatives never use it, and XLA drops it.
    factors = small_lu_factor(matrix) if isinstance(matrix, tuple) else dense_lu_factor(matrix)
    return lambda rhs: _solve(matrix, factors, rhs)


@jax.custom_jvp
def _solve(matrix: Any, factors: Any, rhs: Any) -> Any:
    if isinstance(matrix, tuple):
        return small_lu_solve(factors, rhs)
    return dense_lu_solve(factors, rhs)


@_solve.defjvp
def _solve_jvp(primals, tangents):
    matrix, factors, rhs = primals
    matrix_dot, _, rhs_dot = tangents
    x = _solve(matrix, factors, rhs)
    if isinstance(matrix, tuple):
        product = tuple(sum((a * b for a, b in zip(row[1:], x[1:], strict=True)), row[0] * x[0]) for row in matrix_dot)
        residual = tuple(a - b for a, b in zip(rhs_dot, product, strict=True))
    else:
        residual = rhs_dot - jnp.matmul(matrix_dot, x, precision=lax.Precision.HIGHEST)
    return x, _solve(matrix, factors, residual)
