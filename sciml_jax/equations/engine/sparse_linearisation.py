"""The linearisation with a sparse Jacobian: compressed by a colouring, factorised in the cheapest structure."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from ...numerics.coloring import Coloring, color_columns
from ...numerics.direct_structure import DirectStructure
from ...numerics.sparse_direct import direct_structure
from ...numerics.sparse_klu import KLUStructure
from ...numerics.sparse_matrix import place, sparse_matvec
from ...numerics.sparsity import SparsityPattern
from .flat import concatenate, split_like
from .linearisation import Mass, as_shift, split_any


class SparseForm:
    """What is fixed about the sparse systems of a problem: patterns, colours, and where entries go."""

    def __init__(self, pattern: SparsityPattern, mass_places: tuple | None, uses_klu: bool = False):
        self.pattern = pattern
        self.coloring: Coloring = color_columns(pattern)
        size = pattern.shape[0]
        index = np.arange(size)
        rows, columns = (index, index) if mass_places is None else (np.array(part, int) for part in mass_places[:2])
        mass = SparsityPattern(rows, columns, pattern.shape)
        # With algebraic equations diagonal blocks may be singular: rows must be exchanged freely.
        is_regular = mass_places is None or bool(np.all(mass.diagonal >= 0))
        self.whole = pattern | mass
        self.structure: DirectStructure = (
            KLUStructure(self.whole) if uses_klu else direct_structure(self.whole, exchange_all_rows=not is_regular)
        )
        self.jacobian_slots = pattern.positions_in(self.whole)
        # The mass matrix's entries come in the user's order.
        keys = self.whole.rows.astype(np.int64) * size + self.whole.cols
        self.mass_slots = np.searchsorted(keys, rows.astype(np.int64) * size + columns)


class SparseLinearisation(NamedTuple):
    """As `Linearisation`, with the Jacobian by its values on a pattern."""

    jacobian: Any
    """Values in the pattern's order, shape (nnz,)."""
    time_derivative: tuple | None
    mass: Mass | None
    form: SparseForm

    def size(self) -> Any:
        """The maximum norm of the Jacobian; no derivative."""
        pattern = self.form.pattern
        sums = sparse_matvec(jnp.abs(self.jacobian), pattern, jnp.ones(pattern.shape[1], self.jacobian.dtype))
        return lax.stop_gradient(jnp.max(sums))

    def product(self, v: tuple) -> tuple:
        """`J v`."""
        return split_like(sparse_matvec(self.jacobian, self.form.pattern, concatenate(v)), v)

    def factorise(self, shift: Any) -> Any:
        """Factors of `shift M - J`."""
        return self.form.structure.factor(self._shifted(shift))

    def solve(self, factors: Any, rhs: tuple) -> tuple:
        """`(shift M - J) x = rhs` from the factors. Not for derivatives."""
        return split_any(self.form.structure.solve(factors, concatenate(rhs)), rhs)

    def solve_counted(self, factors: Any, rhs: tuple) -> tuple[tuple, Any]:
        """`solve`, and the Jacobian-vector products that it took."""
        return self.solve(factors, rhs), 0.0

    def shifted_solver(self, shift: Any):
        """`solve(rhs)` for `(shift M - J) x = rhs`, with one factorisation; differentiable in everything."""
        solve = self.form.structure.solver(self._shifted(shift))
        return lambda rhs: split_like(solve(concatenate(rhs)), rhs)

    def _shifted(self, shift: Any) -> Any:
        form, dtype = self.form, self.jacobian.dtype
        shift = as_shift(shift, dtype)
        if self.mass is None:
            entries = jnp.broadcast_to(shift, (form.pattern.shape[0],))
        else:
            entries = shift * self.mass.values.astype(dtype)
        jacobian = place(self.jacobian, form.jacobian_slots, form.whole.nnz)
        return place(entries, form.mass_slots, form.whole.nnz) - jacobian
