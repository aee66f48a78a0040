"""The linearisation that is never formed: products with the Jacobian by forward mode, systems by GMRES."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...numerics.krylov import JacobianData, gmres, stored_entries
from .flat import concatenate, split_like

RELATIVE = 1e-2
"""A linear system inside a Newton iteration is solved to this part of its right-hand side."""

ABSOLUTE = 3e-3
"""Or to this in units of the tolerance, a tenth of what a Newton iteration may leave."""


class KrylovForm(NamedTuple):
    """What is fixed about the linear systems: the solver's options and what the preconditioner may read."""

    solver: Any
    """An `equations.linear_solvers.GMRES`."""
    pattern: Any
    """A `SparsityPattern`, or None."""
    coloring: Any
    """A `Coloring` of its columns, or None."""


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
        """`solve(rhs)` for `(shift M - J) x = rhs` to `derivative_rtol`; differentiable in everything.

        Linear in `rhs` for JAX as well, which therefore transposes it where it stands for a derivative.
        """
        factors = lax.stop_gradient(self.factorise(shift))
        factors = factors[0], jnp.asarray(shift).astype(concatenate(self.jacobian[1]).dtype)
        matvec, approximate = self._operators(factors)
        rtol = self.form.solver.derivative_rtol

        def inverse(product, vector):
            return self._iterate(product, approximate, vector, rtol, 0.0, None)[0]

        def transposed(product, vector):
            turned = None
            if approximate is not None:
                function: Any = approximate
                turned = lambda v: jax.linear_transpose(function, vector)(v)[0]
            return self._iterate(product, turned, vector, rtol, 0.0, None)[0]

        def solve(rhs):
            flat = concatenate(rhs)
            pull = transposed if _has_transpose(matvec, flat) else None
            return split_like(lax.custom_linear_solve(matvec, flat, inverse, pull), rhs)

        return solve

    def _gmres(self, factors, rhs, rtol, atol, weights):
        return self._iterate(*self._operators(factors), concatenate(rhs), rtol, atol, weights)

    def _operators(self, factors):
        """Products with `shift M - J`, and with the preconditioner, about its inverse."""
        made, shift = factors
        t, y, _ = self.jacobian
        preconditioner = self.form.solver.preconditioner
        push = jax.linearize(lambda y: self.system.vector_field(t, y), y)[1]

        def matvec(v):
            parts = split_like(v, y)
            return shift * concatenate(self.system.mass_product(parts)) - concatenate(push(parts))

        return matvec, None if preconditioner is None else lambda v: preconditioner.apply(made, v)

    def _iterate(self, matvec, preconditioner, rhs, rtol, atol, weights):
        solver = self.form.solver
        options = {"restart": solver.restart, "max_iterations": solver.max_iterations}
        return gmres(matvec, rhs, preconditioner=preconditioner, rtol=rtol, atol=atol, weights=weights, **options)


def _has_transpose(function: Callable, vector: Any) -> bool:
    """Whether reverse mode exists: a vector field with a loop of its own has forward derivatives only."""
    try:
        jax.eval_shape(jax.linear_transpose(function, vector), vector)
    except (NotImplementedError, TypeError, ValueError):
        return False
    return True
