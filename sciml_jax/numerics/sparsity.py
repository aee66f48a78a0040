"""Which entries of a matrix may differ from zero, as a constant of the program."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import jax
import jax.core
import numpy as np
from jaxtyping import Bool, Int


@jax.tree_util.register_static
class SparsityPattern:
    """The positions `(row, column)` at which a matrix of a given shape may differ from zero.

    Parameters
    ----------
    rows, cols
        Integer vectors of equal length, in any order; repetitions count once. Values of the matrix are kept elsewhere,
        as a vector of length `nnz` in the order of `rows` and `cols` as this object returns them: sorted by row, then
        by column.
    shape
        `(number of rows, number of columns)`.

    Raises
    ------
    ValueError, TypeError
        For indices that are traced, not integers, of different lengths, or outside the shape.

    Notes
    -----
    Immutable, compared and hashed by content. For JAX it is a pytree without leaves, so it can be a field of a module,
    an argument of a transformed function, or a static argument. Memory: 8 bytes per entry, and as much again for each
    derived index table that is asked for. `as_sparsity_pattern` makes one from arrays and other libraries' matrices.
    """

    rows: Int[np.ndarray, " nnz"]
    cols: Int[np.ndarray, " nnz"]
    shape: tuple[int, int]

    def __init__(self, rows: Any, cols: Any, shape: tuple[int, int]):
        num_rows, num_columns = _check_shape(shape)
        rows, cols = _check_indices(rows, "rows", num_rows), _check_indices(cols, "cols", num_columns)
        if rows.size != cols.size:
            msg = (
                f"`rows` and `cols` must have one index each per entry; got {rows.size} and {cols.size} indices. "
                "Pass two vectors of the same length."
            )
            raise ValueError(msg)
        positions = np.unique(rows.astype(np.int64) * num_columns + cols)
        self._set("rows", _frozen(positions // max(num_columns, 1)))
        self._set("cols", _frozen(positions % max(num_columns, 1)))
        self._set("shape", (num_rows, num_columns))
        self._set("_hash", hash((self.shape, positions.tobytes())))

    def _set(self, name: str, value: Any) -> None:
        self.__dict__[name] = value

    def __setattr__(self, name: str, value: Any) -> None:
        msg = f"`SparsityPattern` is immutable; got an assignment to `{name}`. Make a new pattern."
        raise AttributeError(msg)

    def __hash__(self) -> int:
        return self.__dict__["_hash"]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SparsityPattern):
            return NotImplemented
        if self is other:
            return True
        same = self.shape == other.shape and hash(self) == hash(other)
        return same and np.array_equal(self.rows, other.rows) and np.array_equal(self.cols, other.cols)

    def __reduce__(self) -> tuple:
        # Hashes of bytes differ between processes: unpickling makes the object anew.
        return SparsityPattern, (self.rows, self.cols, self.shape)

    def __repr__(self) -> str:
        return f"SparsityPattern(shape={self.shape}, nnz={self.nnz})"

    def __or__(self, other: SparsityPattern) -> SparsityPattern:
        """The union of two patterns of the same shape."""
        if self.shape != other.shape:
            msg = (
                f"Patterns must have the same shape to be united; got {self.shape} and {other.shape}. Embed one first."
            )
            raise ValueError(msg)
        join = lambda a, b: np.concatenate([a, b])
        return SparsityPattern(join(self.rows, other.rows), join(self.cols, other.cols), self.shape)

    @property
    def nnz(self) -> int:
        """Number of entries."""
        return int(self.rows.size)

    @cached_property
    def row_starts(self) -> Int[np.ndarray, " rows_plus_1"]:
        """Where each row begins among the entries: row i holds entries `row_starts[i]` to `row_starts[i+1] - 1`."""
        return _frozen(np.searchsorted(self.rows, np.arange(self.shape[0] + 1)))

    @cached_property
    def bandwidths(self) -> tuple[int, int]:
        """How far entries lie below and above the main diagonal at most: `(max(row - col), max(col - row))`, or 0."""
        offsets = self.cols.astype(np.int64) - self.rows
        return int(max(0, -offsets.min(initial=0))), int(max(0, offsets.max(initial=0)))

    @cached_property
    def max_per_row(self) -> int:
        """The number of entries in the fullest row: no colouring of the columns has fewer colours."""
        return int(np.diff(self.row_starts).max(initial=0))

    @cached_property
    def by_column(self) -> Int[np.ndarray, " nnz"]:
        """The order that sorts the entries by column, then row: `values[by_column]` are those of the transpose."""
        return _frozen(np.lexsort((self.rows, self.cols)))

    @cached_property
    def transpose(self) -> SparsityPattern:
        """The pattern of the transposed matrix; its values are `values[self.by_column]`."""
        return SparsityPattern(self.cols, self.rows, (self.shape[1], self.shape[0]))

    @cached_property
    def diagonal(self) -> Int[np.ndarray, " n"]:
        """Where the diagonal entries lie among the values; -1 where the pattern lacks one."""
        out = np.full(min(self.shape), -1)
        (on_diagonal,) = np.nonzero(self.rows == self.cols)
        out[self.rows[on_diagonal]] = on_diagonal
        return _frozen(out)

    def with_diagonal(self) -> SparsityPattern:
        """The pattern with every diagonal entry: that of `shift I - J`."""
        if np.all(self.diagonal >= 0):
            return self
        index = np.arange(min(self.shape))
        return self | SparsityPattern(index, index, self.shape)

    def permuted(self, order: Int[np.ndarray, " n"]) -> SparsityPattern:
        """The pattern of `A[order][:, order]`, rows and columns reordered alike. Square patterns only."""
        position = np.empty(self.shape[0], dtype=np.int64)
        position[np.asarray(order)] = np.arange(self.shape[0])
        return SparsityPattern(position[self.rows], position[self.cols], self.shape)

    def positions_in(self, other: SparsityPattern) -> Int[np.ndarray, " nnz"]:
        """Where this pattern's entries lie among those of `other`, which must hold them all.

        Raises
        ------
        ValueError
            Where `other` lacks an entry; the message names it.
        """
        wanted, there = (p.rows.astype(np.int64) * p.shape[1] + p.cols for p in (self, other))
        found = np.searchsorted(there, wanted)
        missing = np.ones(wanted.size, bool) if there.size == 0 else there[np.minimum(found, there.size - 1)] != wanted
        if self.shape != other.shape or np.any(missing):
            first = int(np.argmax(missing))
            where = "its shape differs" if self.shape != other.shape else f"({self.rows[first]}, {self.cols[first]})"
            msg = f"One pattern must contain the other; {other!r} lacks {where} of {self!r}. Unite them with `|`."
            raise ValueError(msg)
        return found

    def to_dense(self) -> Bool[np.ndarray, "rows cols"]:
        """The pattern as a boolean matrix."""
        out = np.zeros(self.shape, dtype=bool)
        out[self.rows, self.cols] = True
        return out


def _frozen(array: np.ndarray) -> np.ndarray:
    array = np.asarray(array, dtype=np.int32)
    array.flags.writeable = False
    return array


def _check_shape(shape: Any) -> tuple[int, int]:
    ok = isinstance(shape, tuple | list) and len(shape) == 2 and all(isinstance(s, int | np.integer) for s in shape)
    if not ok or min(shape) < 0:
        msg = f"`shape` must be two nonnegative integers (rows, columns); got {shape!r}. Pass, for example, `(n, n)`."
        raise ValueError(msg)
    return int(shape[0]), int(shape[1])


def _check_indices(indices: Any, name: str, size: int) -> np.ndarray:
    if isinstance(indices, jax.core.Tracer):
        msg = (
            f"`{name}` of a sparsity pattern must be known while the program is traced; got the traced {indices}. "
            "Make the pattern outside `jit`, from NumPy arrays."
        )
        raise TypeError(msg)
    array = np.asarray(indices)
    if array.size == 0:
        array = np.zeros(array.shape, dtype=np.int64)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        msg = (
            f"`{name}` must be a vector of integers; got shape {array.shape} of {array.dtype}. "
            "Pass the indices of the entries, for example from `np.nonzero(matrix)`."
        )
        raise ValueError(msg)
    outside = (array < 0) | (array >= size)
    if np.any(outside):
        msg = (
            f"`{name}` must lie between 0 and {size - 1}; got {array[np.argmax(outside)]} at position "
            f"{np.argmax(outside)}. Check the shape, and that indices count from 0."
        )
        raise ValueError(msg)
    return array
