"""Direct solves with sparse matrices through the cheapest structure that holds them: dense, banded or in blocks."""

from functools import cached_property, lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact

from .banded_lu import BandedMatrix, banded_lu_factor, banded_lu_solve
from .block_tridiagonal import BlockTridiagonal, block_tridiagonal_factor, block_tridiagonal_solve
from .dense_lu import LAPACK_SIZE, dense_lu_factor, dense_lu_solve
from .direct_structure import DirectStructure
from .reordering import narrowest_order
from .sparse_matrix import place, sparse_to_dense
from .sparsity import SparsityPattern

LOOP_PENALTY = 4.0
"""Time per flop of updates row by row, in units of that of matrix products (measured on a CPU: 2.5 against 10 Gflop/s).
"""


class DenseStructure(DirectStructure):
    """All entries, with partial pivoting: for small systems and full patterns."""

    name = "dense"

    @property
    def flops(self) -> float:
        """As `DirectStructure.flops`."""
        return 2 * self.size**3 / 3

    @property
    def cost(self) -> float:
        """As `DirectStructure.cost`; loops over columns do not skip what is eliminated."""
        return self.flops if self.size >= LAPACK_SIZE else 3 * LOOP_PENALTY * self.flops

    def describe(self) -> str:
        """As `DirectStructure.describe`."""
        return f"n={self.size}"

    def factor(self, values: Inexact[Array, " nnz"]) -> Any:
        """As `DirectStructure.factor`."""
        return dense_lu_factor(sparse_to_dense(values, self.pattern))

    def solve(self, factors: Any, rhs: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
        """As `DirectStructure.solve`."""
        return dense_lu_solve(factors, rhs)


class BandedStructure(DirectStructure):
    """The band that holds all entries after reordering, with partial pivoting: for narrow bands."""

    name = "banded"

    @cached_property
    def bandwidths(self) -> tuple[int, int]:
        """Diagonals below and above the main one."""
        return self.pattern.permuted(self.order).bandwidths

    @property
    def flops(self) -> float:
        """As `DirectStructure.flops`."""
        lower, upper = self.bandwidths
        return 2.0 * self.size * (lower + 1) * (lower + upper + 1)

    @property
    def cost(self) -> float:
        """As `DirectStructure.cost`."""
        return LOOP_PENALTY * self.flops

    def describe(self) -> str:
        """As `DirectStructure.describe`."""
        return "lower={}, upper={}".format(*self.bandwidths)

    def matrix(self, values: Inexact[Array, " nnz"]) -> BandedMatrix:
        """The reordered matrix."""
        lower, upper = self.bandwidths
        width = lower + upper + 1
        rows, cols = self.position[self.pattern.rows], self.position[self.pattern.cols]
        rows = place(values, rows * width + lower + cols - rows, self.size * width).reshape(self.size, width)
        return BandedMatrix(rows, lower, upper)

    def factor(self, values: Inexact[Array, " nnz"]) -> Any:
        """As `DirectStructure.factor`."""
        return banded_lu_factor(self.matrix(values))

    def solve(self, factors: Any, rhs: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
        """As `DirectStructure.solve`."""
        return banded_lu_solve(factors, rhs[self.order])[self.position]


class BlockStructure(DirectStructure):
    """Block-tridiagonal after reordering, rows exchanged within blocks only: for wide bands."""

    name = "block tridiagonal"

    @cached_property
    def block(self) -> int:
        """The smallest size of blocks such that entries lie in neighbouring ones only."""
        rows, cols = self.position[self.pattern.rows], self.position[self.pattern.cols]
        widest = max(1, int(np.abs(rows - cols).max(initial=0)))
        for size in range((widest + 2) // 2, widest):
            if np.abs(rows // size - cols // size).max(initial=0) <= 1:
                return size
        return widest

    @property
    def num_blocks(self) -> int:
        """Number of diagonal blocks; the last is filled up with rows of the identity."""
        return -(-self.size // self.block)

    @property
    def flops(self) -> float:
        """As `DirectStructure.flops`."""
        return 14 / 3 * self.num_blocks * self.block**3

    @property
    def cost(self) -> float:
        """As `DirectStructure.cost`; small blocks are eliminated like small dense matrices."""
        return self.flops * (1.0 if self.block >= LAPACK_SIZE else 3 * LOOP_PENALTY)

    def describe(self) -> str:
        """As `DirectStructure.describe`."""
        return f"{self.num_blocks} blocks of {self.block}"

    def matrix(self, values: Inexact[Array, " nnz"]) -> BlockTridiagonal:
        """The reordered matrix."""
        size, number = self.block, self.num_blocks
        fill = np.arange(self.size, size * number)
        rows = np.concatenate([self.position[self.pattern.rows], fill])
        cols = np.concatenate([self.position[self.pattern.cols], fill])
        entries = jnp.concatenate([values, jnp.ones(fill.size, values.dtype)])
        which = cols // size - rows // size + 1
        slots = ((which * number + rows // size) * size + rows % size) * size + cols % size
        return BlockTridiagonal(*place(entries, slots, 3 * number * size**2).reshape(3, number, size, size))

    def factor(self, values: Inexact[Array, " nnz"]) -> Any:
        """As `DirectStructure.factor`."""
        return block_tridiagonal_factor(self.matrix(values))

    def solve(self, factors: Any, rhs: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
        """As `DirectStructure.solve`."""
        padded = jnp.pad(rhs[self.order], (0, self.block * self.num_blocks - self.size))
        return block_tridiagonal_solve(factors, padded)[self.position]


@lru_cache(maxsize=32)
def direct_structure(pattern: SparsityPattern, *, exchange_all_rows: bool = False) -> DirectStructure:
    """The structure in which a direct solve with matrices of this pattern is estimated to be cheapest.

    Parameters
    ----------
    pattern
        Square; for `shift I - J`, that of `J` `with_diagonal()`.
    exchange_all_rows
        Consider only structures with unrestricted row exchanges (dense and banded): for matrices whose diagonal blocks
        may be singular.

    Returns
    -------
    One of `DenseStructure`, `BandedStructure`, `BlockStructure`; the latter two in the order of
    `narrowest_order(pattern)`. `flops` and `cost` tell what a factorisation takes.

    Notes
    -----
    On the host, mostly the reordering; remembered for the patterns used last. When not to use a direct solve: the band
    of a two-dimensional problem on an N by N grid is about N unknowns wide, so a factorisation grows as N^4; Krylov
    methods grow as N^2 to N^3.
    """
    order = narrowest_order(pattern)
    candidates = [DenseStructure(pattern), BandedStructure(pattern, order)]
    if not exchange_all_rows:
        candidates.append(BlockStructure(pattern, order))
    return min(candidates, key=lambda structure: structure.cost)
