"""Single entries of a Jacobian, from each of the forms in which it may be known."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact

Entries = Callable[[Any, Any], Any]
"""`entries(rows, cols)`: values at positions given as NumPy integer arrays."""


def dense_entries(matrix: Inexact[Array, "n n"]) -> Entries:
    """Entries of a dense matrix; a gather of as many numbers as are asked for."""
    return lambda rows, cols: matrix[np.asarray(rows), np.asarray(cols)]


def stored_entries(rows: Any, cols: Any, values: Inexact[Array, " nnz"]) -> Entries:
    """Entries of a sparse matrix whose values are known on a pattern; zero elsewhere.

    Parameters
    ----------
    rows, cols
        Positions of the values, NumPy integer arrays of shape (nnz,), in any order, without repetitions.
    values
        The values, shape (nnz,).

    Notes
    -----
    Positions are looked up while tracing (a sort of the pattern); at run time it is one gather.
    """
    rows, cols = np.asarray(rows, np.int64), np.asarray(cols, np.int64)
    if not rows.shape == cols.shape == np.shape(values):
        msg = (
            "`rows`, `cols` and `values` must have one shape, one entry each; got shapes "
            f"{rows.shape}, {cols.shape} and {np.shape(values)}. Pass a row, a column and a value for each entry."
        )
        raise ValueError(msg)
    width = int(cols.max(initial=0)) + 1
    keys = rows * width + cols
    order = np.argsort(keys)
    keys = keys[order]

    def entries(at_rows, at_cols):
        at_rows, at_cols = np.asarray(at_rows, np.int64), np.asarray(at_cols, np.int64)
        if keys.size == 0:
            return jnp.zeros(at_rows.shape, values.dtype)
        wanted = at_rows * width + at_cols
        place = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
        stored = (keys[place] == wanted) & (at_cols < width)
        return jnp.where(stored, values[order[place]], 0)

    return entries


def probed_entries(product: Callable, colors: Any, dtype: Any = float) -> Entries:
    """Entries of a matrix that is known through its products, by one product per colour.

    Parameters
    ----------
    product
        `product(v) = J v`.
    colors
        A colour for each column, a NumPy integer array of shape (n,) with values from 0: columns that share a row have
        different colours.
    dtype
        The dtype of the vectors.

    Notes
    -----
    Exact at positions of the pattern that was coloured. Anywhere else the value is that of another column with the same
    colour, not zero: ask only for positions that may be nonzero. Memory: colours times n numbers.
    """
    colors = np.asarray(colors)
    if colors.ndim != 1 or colors.size == 0 or not np.issubdtype(colors.dtype, np.integer) or colors.min() < 0:
        msg = (
            "`colors` must be a vector of integers from 0, one for each column; got "
            f"shape {colors.shape} of {colors.dtype}. Pass the colours, not the number of them."
        )
        raise ValueError(msg)
    seeds = jnp.asarray(colors == np.arange(colors.max() + 1)[:, None], dtype)
    products = jax.vmap(product)(seeds)
    return lambda rows, cols: products[colors[np.asarray(cols)], np.asarray(rows)]
