"""The linearisation that is never formed: products with the Jacobian by forward mode, systems by GMRES."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...numerics.coloring import Coloring
from ...numerics.krylov import JacobianData, gmres, stored_entries
from ...numerics.sparsity import SparsityPattern
from .flat import concatenate, split_like

RELATIVE = 1e-2
"""A linear system inside a Newton iteration is solved to this part of its right-hand side."""

ABSOLUTE = 3e-3
"""Or to this in units of the tolerance, a tenth of what a Newton iteration may leave."""


class KrylovForm(NamedTuple):
    """What is fixed about the linear systems: the solver's options and what the preconditioner may read."""

    solver: Any
    """An `equations.linear_solvers.GMRES`."""
    pattern: SparsityPattern | None
    coloring: Coloring | None


class KrylovLinearisation(NamedTuple):
    """As `Linearisation`, for `shift M - J` known through its products."""

    jacobian: Any
    """What identifies it: the time, the state, and the values on the pattern where a preconditioner reads them."""
    time_derivative: tuple | None
    system: Any
    """The bound system."""
    form: KrylovForm

    @property
    def mass(self) -> Any:
        """The mass matrix; None for the identity."""
        return self.system.mass

    def size(self) -> Any:
        """Infinity: nothing is known of the Jacobian's size."""
        return jnp.full((), jnp.inf, self.jacobian[1][0].dtype)

    def product(self, v: tuple) -> tuple:
        """`J v`."""
        t, y, _ = self.jacobian
        return jax.jvp(lambda y: self.system.vector_field(t, y), (y,), (v,))[1]

    def factorise(self, shift: Any) -> Any:
        """What the preconditioner makes of the Jacobian, and the shift."""
        t, y, values = self.jacobian
        dtype = concatenate(y).dtype
        shift = jnp.asarray(shift)
        if jnp.issubdtype(shift.dtype, jnp.complexfloating):
            msg = "GMRES solves real systems only; got a complex shift. Use `sj.Direct()` with this method."
            raise ValueError(msg)
        shift = shift.astype(dtype)
        preconditioner = self.form.solver.preconditioner
        if preconditioner is None:
            return (), shift
        entries = None
        if values is not None:
            pattern = self.form.pattern
            entries = stored_entries(np.asarray(pattern.rows), np.asarray(pattern.cols), values)
        return preconditioner.factor(JacobianData(entries, t, self.system.merge(y)), shift), shift

    def solve(self, factors: Any, rhs: tuple) -> tuple:
        """`(shift M - J) x = rhs` as accurately as a Newton iteration needs. Not for derivatives."""
        return self.solve_counted(factors, rhs)[0]

    def solve_counted(self, factors: Any, rhs: tuple) -> tuple[tuple, Any]:
        """`solve`, and the Jacobian-vector products that it took."""
        _, shift = factors
        weights = self.system.weights(self.jacobian[1])
        x, info = self._gmres(factors, rhs, RELATIVE, ABSOLUTE * jnp.abs(shift), lax.stop_gradient(weights))
        return split_like(x, rhs), info.products.astype(shift.dtype)

    def shifted_solver(self, shift: Any):
        """`solve(rhs)` for `(shift M - J) x = rhs` to `derivative_rtol`; differentiable in everything."""
        factors = lax.stop_gradient(self.factorise(shift))
        factors = factors[0], jnp.asarray(shift).astype(concatenate(self.jacobian[1]).dtype)
        return lambda rhs: split_like(self._gmres(factors, rhs, self.form.solver.derivative_rtol, 0.0, None)[0], rhs)

    def _gmres(self, factors, rhs, rtol, atol, weights):
        made, shift = factors
        t, y, _ = self.jacobian
        solver = self.form.solver
        push = jax.linearize(lambda y: self.system.vector_field(t, y), y)[1]

        def matvec(v):
            parts = split_like(v, y)
            return shift * concatenate(self.system.mass_product(parts)) - concatenate(push(parts))

        preconditioner = None
        if solver.preconditioner is not None:
            preconditioner = lambda v: solver.preconditioner.apply(made, v)
        return gmres(
            matvec,
            concatenate(rhs),
            preconditioner=preconditioner,
            rtol=rtol,
            atol=atol,
            weights=weights,
            restart=solver.restart,
            max_iterations=solver.max_iterations,
        )
