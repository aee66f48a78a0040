"""The block Jacobi preconditioner: the coupling of the fields at each point."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..dense_lu import dense_lu_factor, dense_lu_solve
from ..small_lu import small_lu_factor, small_lu_solve
from .preconditioner import AbstractPreconditioner, JacobianData, required_entries

WRITTEN_OUT = 8
"""Blocks of up to this size are eliminated entry by entry, all blocks at once."""


class BlockJacobi(AbstractPreconditioner):
    """Solve with the diagonal blocks of `shift I - J`, one block for each point of a grid (or cell, or species group).

    Cost about `b^2` operations per point and field, memory `b n`, for blocks of size b; written out for b up to 8.
    It pays where the stiffness is local, in reactions, and transport is mild. For stiff diffusion it is as useless as
    `Jacobi`. A singular block gives non-finite values, and `gmres` then stops without progress.

    Parameters
    ----------
    block_size
        Fields per point, b.
    interleaved
        Whether the fields of a point are neighbours in the flat state, index `point * b + field`, as in a state of
        shape (nx, ny, fields). Otherwise `field * points + point`, shape (fields, nx, ny).

    References
    ----------
    Saad, "Iterative methods for sparse linear systems", 2nd edition, SIAM, 2003, section 12.2.
    """

    block_size: int = eqx.field(static=True)
    interleaved: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        size = self.block_size
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
            msg = f"`block_size` must be a positive integer; got {size!r}. Pass the number of fields at a point."
            raise ValueError(msg)

    def factor(self, jacobian: JacobianData, shift: Any) -> Any:
        """Factors of all blocks."""
        n, b = jacobian.size, self.block_size
        if n % b:
            msg = f"`block_size` must divide the number of unknowns, {n}; got {b}. Pass the fields at a point."
            raise ValueError(msg)
        index = self._split(np.arange(n))  # (b, points)
        entries = required_entries(jacobian, "BlockJacobi")
        rows, cols = np.broadcast_arrays(index[:, None], index[None])
        blocks = jnp.where(np.eye(b, dtype=bool)[:, :, None], shift, 0.0) - entries(rows, cols)
        if b <= WRITTEN_OUT:
            return small_lu_factor(tuple(tuple(blocks[i, j] for j in range(b)) for i in range(b)))
        return jax.vmap(dense_lu_factor, 2)(blocks)

    def apply(self, factors: Any, vector: Any) -> Any:
        """The blocks' solutions."""
        parts = self._split(vector)
        if self.block_size <= WRITTEN_OUT:
            out = jnp.stack(small_lu_solve(factors, tuple(parts)))
        else:
            out = jax.vmap(dense_lu_solve, (0, 1), 1)(factors, parts)
        return (out.T if self.interleaved else out).reshape(-1)

    def _split(self, vector: Any) -> Any:
        """Fields by points."""
        b = self.block_size
        return vector.reshape(-1, b).T if self.interleaved else vector.reshape(b, -1)
