"""The algebraic equations inside `M y' = f`: which they are, whether a state satisfies them, and slopes at a start."""

import abc
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...numerics.row_reduction import product, row_reduce
from .eliminated_linearisation import EliminatedLinearisation
from .flat import concatenate, split_like
from .krylov_linearisation import KrylovForm

MAX_REDUCED = 100
"""Unknowns up to which the rows of any mass matrix are combined into differential and algebraic equations."""

LARGEST_CORRECTION = 10.0
"""Newton correction of a variable, in units of its tolerance, up to which a start is consistent."""


class StartCheck(NamedTuple):
    """Two scalars that say whether an integration may start."""

    is_singular: Any
    """The algebraic equations do not determine the algebraic variables: an index above one, or too few equations."""
    is_inconsistent: Any


class AbstractReduction(abc.ABC):
    """How the equations divide into differential and algebraic ones."""

    @abc.abstractmethod
    def slope(self, system: Any, t0: Any, y0: tuple, f: tuple) -> tuple:
        """`v` with `M v = f` in the differential equations; what M leaves open is zero."""

    @abc.abstractmethod
    def check(self, system: Any, t0: Any, y0: tuple, f: tuple) -> StartCheck:
        """Whether `(t0, y0)` satisfies the algebraic equations, by the size of a Newton correction."""


class Combined(AbstractReduction):
    """For moderate n: any mass matrix, reduced by elimination. Costs n steps of n^2 operations."""

    def __init__(self, mass: Any):
        self.matrix = dense_mass(mass)
        self.reduction = row_reduce(self.matrix)

    def slope(self, system: Any, t0: Any, y0: tuple, f: tuple) -> tuple:
        """By the elimination."""
        del system, t0, y0
        return split_like(self.reduction.solve(concatenate(f).astype(self.matrix.dtype)), f)

    def check(self, system: Any, t0: Any, y0: tuple, f: tuple) -> StartCheck:
        """One Jacobian and one more elimination, for `M d = 0` and `N (f + J d) = 0`, N the left null space of M."""
        transform, is_algebraic = self.reduction.transform, self.reduction.is_dependent
        dtype = self.matrix.dtype
        state, slopes = concatenate(y0).astype(dtype), concatenate(f).astype(dtype)
        jacobian = dense_jacobian(system, t0, y0).astype(dtype)
        residual = product(transform, slopes)
        # What the evaluation of f itself rounds is no inconsistency.
        terms = product(jnp.abs(jacobian), jnp.abs(state)) + jnp.abs(slopes)
        noise = 100 * jnp.finfo(dtype).eps * product(jnp.abs(transform), terms)
        residual = jnp.where(is_algebraic & ~(jnp.abs(residual) <= noise), residual, 0.0)
        rows = jnp.where(is_algebraic[:, None], product(transform, jacobian), product(transform, self.matrix))
        # Ranks are those of the equations as they stand: with the variables in units of their tolerances, one whose
        # tolerance is tiny would look as if it were absent.
        newton = row_reduce(rows)
        correction = newton.solve(-residual) * system.weights(y0).astype(dtype)
        is_singular = jnp.any(newton.is_dependent)
        is_large = ~(jnp.max(jnp.abs(correction)) <= LARGEST_CORRECTION)
        return StartCheck(is_singular, is_large & ~is_singular)


class ByRows(AbstractReduction):
    """For many unknowns: rows of zeros are the algebraic equations, and the system's own linear solver is used.

    Algebraic equations that are combinations of rows with entries stay unseen here.
    """

    def __init__(self, mass: Any):
        self.mass = mass
        sizes = jnp.abs(mass.values)
        self.row_size = jnp.zeros(mass.size, sizes.dtype).at[np.array(mass.rows, int)].max(sizes)
        self.is_algebraic = self.row_size == 0

    def slope(self, system: Any, t0: Any, y0: tuple, f: tuple) -> tuple:
        """Elementwise for a diagonal; else by a system in which M outweighs J."""
        flat = concatenate(f)
        differential = jnp.where(self.is_algebraic, 0.0, flat)
        if self.mass.rows == self.mass.columns:
            diagonal = self.mass.diagonal().astype(flat.dtype)
            return split_like(differential / jnp.where(self.is_algebraic, 1.0, diagonal), f)
        solved, shift = self._solve(system, t0, y0, differential)
        return split_like(shift * solved, f)

    def check(self, system: Any, t0: Any, y0: tuple, f: tuple) -> StartCheck:
        """Two factorisations of `shift M - J`, with large shifts that keep the differential variables in place."""
        if isinstance(system.form, KrylovForm):
            # How large a shift would be large is not known, nor would an iteration converge reliably.
            return StartCheck(jnp.array(False), jnp.array(False))
        residual = jnp.where(self.is_algebraic, concatenate(f), 0.0)
        correction, _ = self._solve(system, t0, y0, residual)
        # With an index of one the answer to any residual stays as the shift grows; else it grows too.
        probe = jnp.where(self.is_algebraic, jnp.cos(jnp.arange(residual.size, dtype=residual.dtype)), 0.0)
        sizes = [jnp.max(jnp.abs(self._solve(system, t0, y0, probe, part)[0])) for part in (1.0, 1 / 64)]
        is_singular = ~(sizes[0] <= 8 * sizes[1])
        is_large = ~(jnp.max(jnp.abs(correction * system.weights(y0))) <= LARGEST_CORRECTION)
        return StartCheck(is_singular, is_large & ~is_singular)

    def _solve(self, system: Any, t0: Any, y0: tuple, rhs: Any, part: float = 1.0) -> tuple[Any, Any]:
        linear = system.linearise(t0, y0)
        least = jnp.min(jnp.where(self.is_algebraic, jnp.inf, self.row_size))
        least = jnp.where(jnp.isfinite(least), least, 1.0)
        size = linear.size()
        size = jnp.where(jnp.isfinite(size), jnp.maximum(size, jnp.finfo(size.dtype).tiny), 1.0)
        shift = (part * size / least / jnp.sqrt(jnp.finfo(rhs.dtype).eps)).astype(rhs.dtype)
        return concatenate(linear.solve(linear.factorise(shift), split_like(rhs, y0))), shift


def mass_reduction(mass: Any) -> AbstractReduction | None:
    """How the equations of `M y' = f` divide; None without a mass matrix. For use outside of the stepping loop."""
    if mass is None:
        return None
    return Combined(mass) if mass.size <= MAX_REDUCED else ByRows(mass)


def dense_mass(mass: Any) -> Any:
    """A bound mass matrix as an array of shape (n, n)."""
    if not isinstance(mass.values, tuple):
        return mass.dense()
    entries, zero = mass.entries(), jnp.zeros((), jnp.result_type(*mass.values, jnp.float32))
    return _stacked([[entries.get((i, j), zero) for j in range(mass.size)] for i in range(mass.size)])


def dense_jacobian(system: Any, t: Any, y: tuple) -> Any:
    """`df/dy` as an array of shape (n, n), also where the system does not hold it so."""
    linear = system.linearise(t, y)
    if system.form is not None:
        size = concatenate(y).size
        column = lambda direction: concatenate(linear.product(split_like(direction, y)))
        return jax.vmap(column, out_axes=1)(jnp.eye(size, dtype=concatenate(y).dtype))
    rows = linear.rows if isinstance(linear, EliminatedLinearisation) else linear.jacobian
    return _stacked(rows) if isinstance(rows, tuple) else rows


def _stacked(rows: Any) -> Any:
    return jnp.stack([jnp.stack([jnp.asarray(entry) for entry in row]) for row in rows])
