"""Matrices as a pattern, known while tracing, and a vector of the values at its entries."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact, Int

from .sparsity import SparsityPattern

MOST_PADDING = 3
"""Rows of unequal length are padded to equal length up to this many times the number of entries."""

MOST_GATHERED = 16
"""Up to this many places per value, values are gathered into a larger array (in one kernel); beyond, scattered."""


def sparse_matvec(values: Inexact[Array, " nnz"], pattern: SparsityPattern, x: Inexact[Array, " n"]) -> Any:
    """The product `A x`, an array of shape (m,).

    Parameters
    ----------
    values
        In the pattern's order: by row, then by column.
    pattern
        Of shape (m, n).
    x
        The vector.

    Notes
    -----
    Cost 2 nnz flops where rows have similar lengths: they are then padded to equal length and reduced without a
    scatter. Otherwise the products are added up one by one.
    """
    check_values(values, pattern)
    num_rows = pattern.shape[0]
    if pattern.nnz == 0:
        return jnp.zeros(num_rows, jnp.result_type(values, x))
    width = pattern.max_per_row
    if width * num_rows == pattern.nnz:
        return jnp.sum(values.reshape(num_rows, width) * x[pattern.cols.reshape(num_rows, width)], axis=1)
    if width * num_rows > MOST_PADDING * pattern.nnz:
        products = values * x[pattern.cols]
        return jnp.zeros(num_rows, products.dtype).at[pattern.rows].add(products, indices_are_sorted=True)
    table = pattern.row_starts[:-1, None] + np.arange(width)
    inside = table < pattern.row_starts[1:, None]
    table = np.where(inside, table, 0)
    # Selected, not multiplied by zero: what stands in for a missing entry may be infinite.
    products = jnp.where(inside, values[table] * x[pattern.cols[table]], 0)
    return jnp.sum(products, axis=1)


def sparse_rmatvec(values: Inexact[Array, " nnz"], pattern: SparsityPattern, x: Inexact[Array, " m"]) -> Any:
    """The product `A^T x` (no conjugate), an array of shape (n,); cost as `sparse_matvec`."""
    check_values(values, pattern)
    return sparse_matvec(values[pattern.by_column], pattern.transpose, x)


def sparse_to_dense(values: Inexact[Array, " nnz"], pattern: SparsityPattern) -> Inexact[Array, "m n"]:
    """The matrix with its zeros."""
    check_values(values, pattern)
    slots = pattern.rows.astype(np.int64) * pattern.shape[1] + pattern.cols
    return place(values, slots, pattern.shape[0] * pattern.shape[1]).reshape(pattern.shape)


def embed(values: Inexact[Array, " nnz"], pattern: SparsityPattern, larger: SparsityPattern) -> Inexact[Array, " nnz2"]:
    """The values of the same matrix in a pattern that contains its own."""
    check_values(values, pattern)
    return values if larger == pattern else place(values, pattern.positions_in(larger), larger.nnz)


def add_to_diagonal(
    values: Inexact[Array, " nnz"], pattern: SparsityPattern, shift: Inexact[Array, ""] | Inexact[Array, " n"]
) -> Inexact[Array, " nnz"]:
    """The values of `A + shift I`, or `A + diag(shift)`; the pattern must hold the whole diagonal.

    Raises
    ------
    ValueError
        Where the pattern lacks a diagonal entry; `pattern.with_diagonal()` has them all.
    """
    check_values(values, pattern)
    if np.any(pattern.diagonal < 0):
        msg = (
            f"Adding to the diagonal needs a pattern with all diagonal entries; got {pattern!r} without "
            f"({np.argmin(pattern.diagonal)}, {np.argmin(pattern.diagonal)}). Use `embed` and `with_diagonal`."
        )
        raise ValueError(msg)
    on_diagonal = pattern.rows == pattern.cols
    shift = jnp.asarray(shift)
    spread = shift if shift.ndim == 0 else shift[pattern.rows]
    return jnp.where(on_diagonal, values + spread, values)


def place(values: Inexact[Array, " k"], slots: Int[np.ndarray, " k"], size: int) -> Inexact[Array, " size"]:
    """A vector of `size` zeros with `values` at the given, distinct places.

    Notes
    -----
    Where the vector is not much longer than the values it is gathered, because a scatter keeps a loop from being
    compiled into one kernel.
    """
    if size <= MOST_GATHERED * slots.size:
        source = np.full(size, -1)
        source[slots] = np.arange(slots.size)
        return jnp.where(source >= 0, values[np.maximum(source, 0)], 0)
    return jnp.zeros(size, values.dtype).at[slots].set(values, unique_indices=True)


def check_values(values: Any, pattern: SparsityPattern) -> None:
    """Refuse values that are not one number per entry of the pattern."""
    if jnp.shape(values) != (pattern.nnz,):
        msg = (
            f"`values` must hold one number per entry, shape ({pattern.nnz},); got shape {jnp.shape(values)}. "
            "They are ordered by row, then by column; `embed` brings them into a larger pattern."
        )
        raise ValueError(msg)
