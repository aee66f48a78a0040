"""Mass matrices: the constant `M` in `M dy/dt = f(t, y, args)`."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..core.tree import describe, is_concrete

MAX_DECOMPOSED = 100
"""Size up to which the rank of a full matrix is found on the host."""


class MassMatrix(eqx.Module):
    """A constant matrix by its entries at known places; what is not listed is zero.

    Parameters
    ----------
    values
        The entries, shape (k,).
    rows, columns
        Where they are.
    size
        The matrix is of shape (size, size), over the concatenated leaves of the state.
    is_regular
        Whether it is known to have an inverse, so that no equation is algebraic.
    """

    values: Any
    rows: tuple[int, ...] = eqx.field(static=True)
    columns: tuple[int, ...] = eqx.field(static=True)
    size: int = eqx.field(static=True)
    is_regular: bool = eqx.field(static=True, default=False)

    @property
    def is_diagonal(self) -> bool:
        """Whether no place off the diagonal is listed."""
        return self.rows == self.columns


def check_mass_matrix(matrix: Any, y0: Any) -> None:
    """Refuse a mass matrix that does not fit the state."""
    size = sum(int(np.prod(jnp.shape(leaf))) for leaf in jax.tree_util.tree_leaves(y0))
    shape = getattr(matrix, "shape", None)
    if shape is None or tuple(shape) not in ((size, size), (size,)):
        msg = (
            f"`mass_matrix` must be an array of shape ({size}, {size}), or ({size},) for a diagonal, for a state of "
            f"{size} numbers; got {describe(matrix)}. Rows and columns follow the concatenated leaves of `y0`."
        )
        raise ValueError(msg)
    if not (jnp.issubdtype(matrix.dtype, jnp.floating) or jnp.issubdtype(matrix.dtype, jnp.integer)):
        msg = f"`mass_matrix` must be real; got {describe(matrix)}. Split a complex system into its parts."
        raise TypeError(msg)
    if is_concrete(matrix) and not np.all(np.isfinite(np.asarray(matrix))):
        msg = "`mass_matrix` must be finite; got NaN or infinity. Check how it was made."
        raise ValueError(msg)


def as_mass_matrix(matrix: Any, y0: Any) -> MassMatrix | None:
    """The user's array by its entries; None stays None.

    Where the values are concrete their zeros are left out, so that a step does no work for them; a traced matrix has
    all its places listed.
    """
    if matrix is None or isinstance(matrix, MassMatrix):
        return matrix
    check_mass_matrix(matrix, y0)
    size = matrix.shape[0]
    diagonal = len(matrix.shape) == 1
    if is_concrete(matrix):
        # On the host: a handful of operations dispatched for every call would take longer than a small solve.
        matrix = np.asarray(matrix)
    used = matrix != 0 if is_concrete(matrix) else np.ones(matrix.shape, bool)
    places = np.nonzero(np.diag(used) if diagonal else used)
    rows, columns = (tuple(int(i) for i in axis) for axis in places)
    dtype = jnp.result_type(*(jnp.asarray(leaf).dtype for leaf in jax.tree_util.tree_leaves(y0)))
    picked = matrix[places[0]] if diagonal else matrix[places]
    return MassMatrix(picked.astype(dtype), rows, columns, size, _is_regular(matrix))


def _is_regular(matrix: Any) -> bool:
    """Whether the values are concrete and known to have an inverse, by their diagonal or by a factorisation."""
    if not is_concrete(matrix):
        return False
    values = np.asarray(matrix, float)
    if values.ndim == 1:
        return bool(np.all(values != 0))
    diagonal = np.abs(np.diag(values))
    if np.all(2 * diagonal > np.sum(np.abs(values), axis=1)):
        return True
    # Beyond, a decomposition per call would be felt; the check at the start looks for rows of zeros then.
    scale = np.max(np.abs(values), axis=1, keepdims=True)
    return values.shape[0] <= MAX_DECOMPOSED and bool(np.all(scale > 0)) and _full_rank(values / scale)


def _full_rank(values: np.ndarray) -> bool:
    return int(np.linalg.matrix_rank(values, tol=10 * values.shape[0] * np.finfo(values.dtype).eps)) == values.shape[0]
