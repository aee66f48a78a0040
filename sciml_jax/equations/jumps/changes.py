"""Constant matrices of a network: what reactions change, and what their rates depend on."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...core.tree import describe, is_concrete


class Changes:
    """A constant matrix of shape (R, n), hashed and compared by content, so that it can be static."""

    def __init__(self, matrix: np.ndarray):
        self.matrix = np.array(matrix)
        self.matrix.setflags(write=False)
        self._key = (self.matrix.shape, self.matrix.dtype.str, self.matrix.tobytes())

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Changes) and self._key == other._key

    def __repr__(self) -> str:
        return f"Changes(shape={self.matrix.shape}, dtype={self.matrix.dtype.name})"


def as_changes(stoichiometry: Any, y0: Any) -> Changes:
    """The stoichiometry, checked against the state."""
    matrix = _concrete_matrix(stoichiometry, "stoichiometry")
    size = sum(int(np.size(leaf)) for leaf in jax.tree_util.tree_leaves(y0))
    if matrix.ndim != 2 or matrix.shape[1] != size or matrix.shape[0] == 0:
        hint = " Transpose it: a row for every reaction." if matrix.ndim == 2 and matrix.shape[0] == size else ""
        msg = (
            f"`stoichiometry` must have shape (R, n), a row for every reaction and a column for every number of the "
            f"state; got shape {matrix.shape} for a state of {size} ({describe(y0)}).{hint or ' Pass R rows of n.'}"
        )
        raise ValueError(msg)
    real = np.issubdtype(matrix.dtype, np.integer) or np.issubdtype(matrix.dtype, np.floating)
    if not real or not np.all(np.isfinite(matrix)):
        msg = f"`stoichiometry` must hold finite real numbers; got dtype {matrix.dtype.name}. Pass integers."
        raise ValueError(msg)
    whole = matrix == np.round(matrix)
    integer_columns = np.concatenate(
        [np.full(int(np.size(x)), jnp.issubdtype(x.dtype, jnp.integer)) for x in jax.tree_util.tree_leaves(y0)]
    )
    if not np.all(whole[:, integer_columns]):
        row, column = np.argwhere(~whole & integer_columns)[0]
        msg = (
            f"An integer state changes by integers; got stoichiometry[{row}, {column}] = {matrix[row, column]}. Make "
            "the state float, or round the changes."
        )
        raise ValueError(msg)
    return Changes(matrix.astype(np.int64) if np.all(whole) else matrix.astype(np.float64))


def as_dependencies(dependencies: Any, changes: Changes | None) -> Changes:
    """Which rates depend on which numbers of the state, checked against the stoichiometry."""
    matrix = _concrete_matrix(dependencies, "dependencies")
    if changes is None or matrix.shape != changes.matrix.shape:
        wanted = "a stoichiometry" if changes is None else f"shape {changes.matrix.shape}"
        msg = (
            f"`dependencies` must say for every rate and every number of the state whether one depends on the other, "
            f"like the stoichiometry; got shape {matrix.shape}, where {wanted} is needed. Pass booleans, (R, n)."
        )
        raise ValueError(msg)
    return Changes(matrix != 0)


def _concrete_matrix(value: Any, name: str) -> np.ndarray:
    if not is_concrete(value):
        msg = (
            f"`{name}` must be known while the program is traced; got traced values ({describe(value)}). Make it from "
            "NumPy arrays, outside of `jit`; sizes that are to be differentiated belong into `affect`."
        )
        raise TypeError(msg)
    try:
        return np.asarray(value)
    except (TypeError, ValueError):
        msg = f"`{name}` must be a matrix of shape (R, n); got {value!r}. Pass a list of rows or an array."
        raise TypeError(msg) from None
