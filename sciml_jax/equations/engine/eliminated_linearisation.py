"""The linearisation of a small state with few entries in the Jacobian: sparse elimination, written out."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...numerics.components import contains_large_dot, count_scalar_operations
from ...numerics.sparse_elimination import LDU, Elimination
from .traced import MAX_COMPONENT_JACOBIAN, MAX_MATRIX_SIZE, TracedFunction

LEAST_UNKNOWNS = 5
"""Below, a dense factorisation with row exchanges is as short."""

LARGEST_FILL = 0.6
"""Share of a matrix that may be entries of its factors: beyond, row exchanges cost little more."""

MAX_OPERATIONS = 6000
"""Operations of a step, linear combinations of stages included, up to which more unknowns than
`MAX_IMPLICIT_COMPONENTS` are written out: pollution (20 unknowns) by `Rodas5P` takes 5,000 and compiles in 4 seconds.
"""

MAX_TRACED_OPERATIONS = 20_000
"""Operations of a Jacobian, those with zeros included, up to which it is looked at."""


class EliminatedForm:
    """Where the Jacobian of a system held as components has entries, and the order of the elimination."""

    def __init__(self, places: tuple, size: int, jacobian_operations: int):
        self.places, self.size = places, size
        self.elimination = Elimination(places, size)
        self.jacobian_operations = jacobian_operations

    @property
    def is_sparse(self) -> bool:
        """Whether leaving zeros out is worth doing without row exchanges."""
        return len(self.elimination.places) <= LARGEST_FILL * self.size**2

    def may_be_written_out(self, field: TracedFunction, method: Any) -> bool:
        """Whether a step of a method that holds so many components stays short to compile."""
        return self.size <= method.most_components and (
            self.step_operations(field, method.evaluations_per_step) <= MAX_OPERATIONS
        )

    def step_operations(self, field: TracedFunction, stages: int) -> int:
        """An estimate for a step with so many evaluations, solves and combinations of all earlier stages."""
        elimination = self.elimination
        own = self.jacobian_operations + elimination.factor_operations
        stage = count_scalar_operations(field.jaxpr) + elimination.solve_operations + 2 * self.size * stages
        return own + stages * stage


class EliminatedLinearisation(NamedTuple):
    """As `ComponentLinearisation`, with the Jacobian by its entries; the mass matrix is the identity."""

    jacobian: tuple
    """Scalars on `form.places`."""
    time_derivative: tuple | None
    form: EliminatedForm
    mass: None = None

    @property
    def rows(self) -> tuple:
        """The Jacobian with its zeros, as rows of scalars."""
        entries, size = dict(zip(self.form.places, self.jacobian, strict=True)), range(self.form.size)
        return tuple(tuple(entries.get((i, j), 0.0) for j in size) for i in size)

    def size(self) -> Any:
        """The maximum norm of the Jacobian, a bound of its spectral radius; no derivative."""
        rows: dict = {}
        for (i, _), entry in zip(self.form.places, self.jacobian, strict=True):
            rows[i] = rows.get(i, 0.0) + jnp.abs(jnp.asarray(entry))
        return lax.stop_gradient(functools.reduce(jnp.maximum, rows.values()))

    def product(self, v: tuple) -> tuple:
        """`J v`."""
        out: list = [jnp.zeros_like(leaf) for leaf in v]
        for (i, j), entry in zip(self.form.places, self.jacobian, strict=True):
            out[i] = out[i] + entry * v[j]
        return tuple(out)

    def factorise(self, shift: Any) -> tuple:
        """Factors of `shift I - J`, a tuple of scalars; `shift` may be complex."""
        return self.form.elimination.factor(self._shifted(shift)).entries

    def solve(self, factors: tuple, rhs: tuple) -> tuple:
        """`(shift I - J) x = rhs` from the factors. Not for derivatives."""
        return self.form.elimination.solve(LDU(factors, None), rhs)

    def solve_counted(self, factors: tuple, rhs: tuple) -> tuple[tuple, Any]:
        """`solve`, and the Jacobian-vector products that it took."""
        return self.solve(factors, rhs), 0.0

    def shifted_solver(self, shift: Any):
        """`solve(rhs)` for `(shift I - J) x = rhs`, with one factorisation; differentiable in everything."""
        return self.form.elimination.solver(self._shifted(shift))

    def _shifted(self, shift: Any) -> dict:
        entries = {place: -entry for place, entry in zip(self.form.places, self.jacobian, strict=True)}
        for i in range(self.form.size):
            entries[i, i] = shift + entries[i, i] if (i, i) in entries else shift
        return entries


def eliminated_form(field: TracedFunction, derivatives: TracedFunction, t0: Any, leaves: list) -> EliminatedForm | None:
    """The form of an explicit equation without a mass matrix; None where its Jacobian is not sparse, or too long."""
    size = sum(leaf.size for leaf in leaves)
    if any(leaf.size == 0 for leaf in leaves) or len({leaf.dtype for leaf in leaves}) > 1:
        return None
    if contains_large_dot(field.jaxpr, MAX_MATRIX_SIZE):
        return None
    if count_scalar_operations(derivatives.jaxpr, MAX_COMPONENT_JACOBIAN) > MAX_TRACED_OPERATIONS:
        return None
    written_out = derivatives.with_layout(True, leaves, None, True, MAX_COMPONENT_JACOBIAN)
    places: list = []

    def entries(theta, consts, t, y):
        out = written_out(theta, consts, t, y)[: size * size]
        found = [(slot, entry) for slot, entry in enumerate(out) if not is_known_zero(entry)]
        places.extend(divmod(slot, size) for slot, _ in found)
        return [entry for _, entry in found]

    y = [jax.ShapeDtypeStruct((), leaf.dtype) for leaf in leaves for _ in range(leaf.size)]
    emitted = jax.make_jaxpr(entries)(written_out.theta, written_out.consts, t0, tuple(y))
    form = EliminatedForm(tuple(places), size, len(emitted.jaxpr.eqns))
    return form if places and form.is_sparse else None


def is_known_zero(entry: Any) -> bool:
    """Whether an entry is known to vanish while tracing: it is then a NumPy scalar."""
    return isinstance(entry, np.generic) and bool(entry == 0)
