"""Algebraic variables solved for again where a state was changed inside an integration."""

from typing import Any

import jax.numpy as jnp
from jax import lax

from ...numerics.row_reduction import product, row_reduce
from ..consistent_newton import root_near
from .algebraic import MAX_REDUCED, dense_mass
from .flat import concatenate, split_like


def made_consistent(system: Any, t: Any, y: tuple) -> tuple:
    """The state with its differential variables kept and its algebraic ones solved for.

    Without algebraic equations it is `y`. Beyond a hundred unknowns, and where the equations do not determine the
    algebraic variables, the state stays as it is. Differentiable; see `consistency.find_consistent`, which does the
    same for the start of a problem.
    """
    if not system.has_algebraic_equations or system.mass.size > MAX_REDUCED:
        return y
    given = concatenate(y)
    matrix = dense_mass(system.mass).astype(given.dtype)
    reduction = row_reduce(lax.stop_gradient(matrix))

    def residual(flat: Any) -> Any:
        slopes = concatenate(system.vector_field(t, split_like(flat, y))).astype(flat.dtype)
        kept = product(reduction.transform, product(matrix, flat - given))
        return jnp.where(reduction.is_dependent, product(reduction.transform, slopes), kept)

    flat, _ = root_near(residual, given, jnp.max(jnp.abs(given)))
    return split_like(flat, y)
