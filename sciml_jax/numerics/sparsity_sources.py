"""Where sparsity patterns come from: matrices of ours and of other libraries, and the program itself."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ..core.tree import describe, is_concrete
from .sparsity import SparsityPattern


def as_sparsity_pattern(pattern: Any, shape: tuple[int, int] | None = None) -> SparsityPattern:
    """A `SparsityPattern` from whatever describes one.

    Parameters
    ----------
    pattern
        One of: a `SparsityPattern`; a matrix of booleans or of zeros and ones; a pair `(rows, cols)` of index vectors,
        with `shape`; a SciPy sparse matrix or array (anything with `tocoo`); a JAX sparse matrix (`BCOO`); a pattern or
        coloured pattern of asdex (anything with `rows`, `cols` and `shape`, or `sparsity`). Entries that a sparse
        matrix stores count, whatever their values.
    shape
        The shape that is expected; needed for a pair of index vectors.

    Raises
    ------
    ValueError
        For another shape than expected, or a dense matrix with values other than 0 and 1.
    TypeError
        For traced arrays, and for what is none of the above.
    """
    if not is_concrete(pattern):
        msg = (
            f"A sparsity pattern must be known while the program is traced; got traced values ({describe(pattern)}). "
            "Make it outside `jit`, from NumPy arrays, and close over it or pass a `SparsityPattern`."
        )
        raise TypeError(msg)
    out = _convert(pattern, shape)
    if shape is not None and out.shape != tuple(shape):
        msg = (
            f"The sparsity pattern must have shape {tuple(shape)}; got {out.shape}. "
            "Row i holds the entries of result i, column j those of input j."
        )
        raise ValueError(msg)
    return out


def detect_sparsity(function: Callable, y: Any) -> SparsityPattern:
    """The pattern of a function's Jacobian, read off its program by asdex; valid for every input of the same shape.

    Parameters
    ----------
    function
        `function(y) -> array`, with any pytree of arrays for `y` and for the result.
    y
        An example of the input: only its shapes and dtypes are looked at.

    Returns
    -------
    The pattern of shape `(numbers in the result, numbers in y)`, over the leaves flattened one after the other. It may
    hold entries that are always zero, never lack one.

    Raises
    ------
    ImportError
        Without asdex, which the extra `sparse` installs. Its licence is MIT; it needs Python 3.12 and jax 0.11.
    """
    try:
        import asdex  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        msg = (
            "`detect_sparsity` needs the package asdex, which is not installed. "
            "Install the extra with `pip install 'sciml_jax[sparse]'`, or give the pattern yourself."
        )
        raise ImportError(msg) from error
    # Under an outer trace the example may be traced; its shape is all that is needed.
    like = jax.tree_util.tree_map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), jax.numpy.result_type(leaf)), y)
    return as_sparsity_pattern(asdex.jacobian_sparsity(function, like))


def _convert(pattern: Any, shape: tuple[int, int] | None) -> SparsityPattern:
    if isinstance(pattern, SparsityPattern):
        return pattern
    if hasattr(pattern, "sparsity") and hasattr(pattern, "colors"):
        pattern = pattern.sparsity
    if all(hasattr(pattern, name) for name in ("rows", "cols", "shape")):
        return SparsityPattern(np.asarray(pattern.rows), np.asarray(pattern.cols), tuple(pattern.shape))
    if hasattr(pattern, "tocoo"):
        coo = pattern.tocoo()
        return SparsityPattern(coo.row, coo.col, tuple(coo.shape))
    if hasattr(pattern, "indices") and hasattr(pattern, "todense"):
        return _from_bcoo(pattern)
    if isinstance(pattern, tuple) and len(pattern) == 2 and all(np.ndim(part) == 1 for part in pattern):
        if shape is None:
            msg = (
                "Index vectors `(rows, cols)` need the shape of the matrix; got none. "
                "Pass `shape=(n, n)`, or `SparsityPattern(rows, cols, (n, n))`."
            )
            raise ValueError(msg)
        return SparsityPattern(*pattern, shape)
    return _from_dense(pattern)


def _from_bcoo(matrix: Any) -> SparsityPattern:
    indices = np.asarray(matrix.indices)
    if indices.ndim != 2 or indices.shape[1] != 2 or len(matrix.shape) != 2:
        msg = (
            f"A sparse matrix that gives a pattern must be two-dimensional, without batch or dense dimensions; got "
            f"shape {tuple(matrix.shape)} with indices of shape {indices.shape}. Use `BCOO.fromdense(matrix)`."
        )
        raise ValueError(msg)
    # Padding of a BCOO lies outside the matrix.
    inside = np.all((indices >= 0) & (indices < np.asarray(matrix.shape)), axis=1)
    return SparsityPattern(indices[inside, 0], indices[inside, 1], tuple(matrix.shape))


def _from_dense(matrix: Any) -> SparsityPattern:
    try:
        array = np.asarray(matrix)
        numeric = np.issubdtype(array.dtype, np.number) or array.dtype == bool
    except (TypeError, ValueError):
        array, numeric = None, False
    if array is None or not numeric:
        msg = (
            "A sparsity pattern must be a `SparsityPattern`, a boolean matrix, a sparse matrix, or `(rows, cols)`; got "
            f"{type(matrix).__name__}. Pass, for example, `SparsityPattern(rows, cols, (n, n))`."
        )
        raise TypeError(msg)
    if array.ndim != 2:
        msg = (
            f"A dense sparsity pattern must be a matrix; got shape {array.shape}. "
            "Pass an array of shape (n, n), true where the Jacobian may differ from zero."
        )
        raise ValueError(msg)
    bad = (array != 0) & (array != 1)
    if np.any(bad):
        msg = (
            f"A dense sparsity pattern must hold zeros and ones (or booleans); got the value {array[bad][0]}. "
            "Pass `matrix != 0`; mind that a Jacobian at one point can be zero where it is not elsewhere."
        )
        raise ValueError(msg)
    rows, cols = np.nonzero(array)
    return SparsityPattern(rows, cols, (array.shape[0], array.shape[1]))
