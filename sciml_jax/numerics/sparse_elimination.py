"""Sparse LU factorisation written out scalar by scalar, on an order chosen while tracing, without row exchanges.

For the matrices `shift I - J` of small stiff systems, five to thirty unknowns with a few entries in a row, as kinetics
has them: on a good order their elimination takes a few hundred operations, where a dense one with row exchanges takes
thousands. Entries of the diagonal are the pivots. For kinetics this is as stable as row exchanges; for other matrices
the solver says whether it was.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .components.values import is_constant


class LDU(NamedTuple):
    """Factors `L D U` of a matrix in the order of its elimination, L and U with unit diagonals."""

    entries: tuple
    """Entries of L and U and inverses of those of D, on `Elimination.places`."""
    is_reliable: Any
    """Whether the factors have at least half of the digits; see `Elimination.factor`."""


class Elimination:
    """The order of an elimination and what it fills in, from the places of a matrix alone.

    Parameters
    ----------
    places
        Where the matrix may have entries, pairs (row, column). The diagonal counts as present.
    size
        Number of rows.

    Notes
    -----
    The order is Markowitz's on the diagonal: next comes the row and column with the fewest products of entries left,
    the first of them. Making it takes size^3 set look-ups, once. Not for hundreds of unknowns, whose code would take
    minutes to compile (`sparse_direct`), nor where diagonal entries may vanish.

    References
    ----------
    Markowitz, Management Science 3 (1957) 255-269; Duff, Erisman & Reid, Direct Methods for Sparse Matrices (2017),
    chapter 7; Sandu et al., Benchmarking stiff ODE solvers for atmospheric chemistry problems I, Atmospheric
    Environment 31 (1997) 3151-3166 (elimination written out for the systems of chemistry).
    """

    def __init__(self, places: Iterable[tuple[int, int]], size: int):
        filled = set(places) | {(i, i) for i in range(size)}
        left = set(range(size))
        order, below, right = [], [], []
        while left:
            k = min(left, key=lambda i: (_others(filled, left, i), i))
            left.discard(k)
            below.append(tuple(sorted(i for i in left if (i, k) in filled)))
            right.append(tuple(sorted(j for j in left if (k, j) in filled)))
            filled |= {(i, j) for i in below[-1] for j in right[-1]}
            order.append(k)
        self.order, self.below, self.right = tuple(order), tuple(below), tuple(right)
        self.places = tuple(sorted(filled))
        self.size = size
        self._slots = {place: slot for slot, place in enumerate(self.places)}

    @property
    def factor_operations(self) -> int:
        """Arithmetic operations of `factor`."""
        pairs = zip(self.below, self.right, strict=True)
        return sum(1 + len(rows) + len(columns) + 2 * len(rows) * len(columns) for rows, columns in pairs)

    @property
    def solve_operations(self) -> int:
        """Arithmetic operations of `solve`."""
        return 2 * len(self.places) - self.size

    def factor(self, entries: dict) -> LDU:
        """Factor the matrix with these entries, place -> scalar; absent ones are zero, the diagonal is present.

        Factors are unreliable if an update `u = l_ik a_ki` of a diagonal entry outweighs that entry by more than
        `G = eps^(-1/2)`, and the pivot by more than `G^2`: the growth of a 2 by 2 system, in whatever units its
        unknowns are, beyond which fewer than half of the digits stay. Where off-diagonal entries are negative and all
        pivots positive (an M-matrix, as of kinetics of first order) no update outweighs its entry at all. A pivot of
        zero gives factors that are not finite.
        """
        work = dict(entries)
        limit = float(jnp.finfo(jnp.result_type(*work.values())).eps) ** -0.5
        is_reliable: Any = jnp.array(True)
        for k, rows, columns in zip(self.order, self.below, self.right, strict=True):
            pivot = work[k, k]
            inverse = work[k, k] = 1.0 / pivot
            for i in rows:
                multiplier = work[i, k] * inverse
                for j in columns:
                    update = multiplier * work[k, j]
                    if i == j:
                        size = jnp.abs(update)
                        is_lost = (size > limit * jnp.abs(work[i, i])) & (size > limit * limit * jnp.abs(pivot))
                        is_reliable = is_reliable & ~is_lost
                    work[i, j] = work[i, j] - update if (i, j) in work else -update
                work[i, k] = multiplier
            for j in columns:
                work[k, j] = work[k, j] * inverse
        return LDU(tuple(jnp.asarray(work[place]) for place in self.places), is_reliable)

    def solve(self, factors: LDU, rhs: Sequence) -> tuple:
        """Solve `A x = rhs` from the factors; linear in `rhs`, so that JAX can transpose it."""
        values, slots, x = factors.entries, self._slots, list(rhs)
        for k, rows in zip(self.order, self.below, strict=True):
            for i in rows:
                x[i] = x[i] - values[slots[i, k]] * x[k]
        for k, columns in zip(reversed(self.order), reversed(self.right), strict=True):
            x[k] = x[k] * values[slots[k, k]]
            for j in columns:
                x[k] = x[k] - values[slots[k, j]] * x[j]
        return tuple(x)

    def solver(self, entries: dict) -> "EliminationSolver":
        """`solve(rhs)` for the matrix with these entries, with one factorisation."""
        return EliminationSolver(self, entries)


class EliminationSolver:
    """`solve(rhs) -> x`, tuples of scalars; differentiable in both modes and to any order in the matrix and in `rhs`.

    `is_reliable` tells whether the factors can be trusted, as `Elimination.factor` says.
    """

    def __init__(self, elimination: Elimination, entries: dict):
        factors = elimination.factor(entries)
        self.is_reliable = factors.is_reliable
        # Entries known while tracing have no derivative.
        varying = {place: entry for place, entry in entries.items() if not is_constant(entry)}
        solve = _solve_function(elimination, tuple(varying))
        self._solve = lambda rhs: solve(tuple(varying.values()), factors.entries, rhs)

    def __call__(self, rhs: tuple) -> tuple:
        """Solve for one right-hand side."""
        return self._solve(rhs)


def _solve_function(elimination: Elimination, places: tuple) -> Any:
    """`(entries on places, factors, rhs) -> x`, its derivative that of the linear system: `A^-1 (db - dA x)`."""

    @jax.custom_jvp
    def solve(varying, factors, rhs):
        del varying
        return elimination.solve(LDU(factors, None), rhs)

    @solve.defjvp
    def rule(primals, tangents):
        varying, factors, rhs = primals
        moves, _, rhs_dot = tangents
        x = solve(varying, factors, rhs)
        residual = list(rhs_dot)
        for (i, j), move in zip(places, moves, strict=True):
            residual[i] = residual[i] - move * x[j]
        return x, solve(varying, factors, tuple(residual))

    return solve


def _others(filled: set, left: set, k: int) -> int:
    """Entries off the diagonal in row k times those in column k, among the rows and columns left."""
    in_row = sum((k, j) in filled for j in left if j != k)
    return in_row * sum((i, k) in filled for i in left if i != k)
