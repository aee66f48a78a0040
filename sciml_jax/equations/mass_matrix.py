"""Mass matrices: the constant `M` in `M dy/dt = f(t, y, args)`."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..core.tree import describe, is_concrete


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
    """

    values: Any
    rows: tuple[int, ...] = eqx.field(static=True)
    columns: tuple[int, ...] = eqx.field(static=True)
    size: int = eqx.field(static=True)

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
    used = np.asarray(matrix) != 0 if is_concrete(matrix) else np.ones(matrix.shape, bool)
    places = np.nonzero(np.diag(used) if diagonal else used)
    rows, columns = (tuple(int(i) for i in axis) for axis in places)
    dtype = jnp.result_type(*(jnp.asarray(leaf).dtype for leaf in jax.tree_util.tree_leaves(y0)))
    picked = jnp.asarray(matrix)[places[0]] if diagonal else jnp.asarray(matrix)[places]
    return MassMatrix(picked.astype(dtype), rows, columns, size)
