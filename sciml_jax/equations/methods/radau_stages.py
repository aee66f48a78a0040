"""The three coupled stages of a Radau IIA step, `M sum_j (A^-1)_ij z_j / h = f(t_i, y + z_i)`.

With one Jacobian for all stages the linear systems of Newton's method fall apart into a real one of n unknowns and a
complex one of n unknowns. Derivatives are those of the stages themselves, each with its own Jacobian: one real system
of 3n unknowns.
"""

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from ...numerics.combine import linear_combination
from ...numerics.linear_solve import factorised_solver
from ...numerics.sparse_direct import direct_structure
from ...numerics.sparse_matrix import place
from ...numerics.sparsity import SparsityPattern
from ..engine.flat import concatenate, split_like
from ..engine.linearisation import ComponentLinearisation
from ..engine.sparse_linearisation import SparseForm, SparseLinearisation
from .radau_coefficients import FROM_MODES, INVERSE, NODES, TO_MODES
from .simplified_newton import Solved, simplified_newton

STAGES = range(3)

MAX_ITERATIONS = 10
"""More than other methods need: the polynomial is extrapolated far, and a failure wastes more than three iterations."""

MAX_WRITTEN_OUT = 9
"""Unknowns up to which the system of all stages is written out: as long as a system of so many components."""

ACCURACY = 0.01
"""Bound on the error that the iteration leaves, in units of the tolerance."""


def solve_stages(
    system: Any, ta: Any, tb: Any, y: tuple, guess: tuple, kept: Any, orders: tuple | None
) -> tuple[tuple, Solved]:
    """The stages' distances from `y`, and how the iteration ended.

    Parameters
    ----------
    system
        The bound system.
    ta, tb, y
        The step; differentiable.
    guess
        Where the iteration starts: the three stages one after another, a tuple three times as long as `y`.
    kept
        The Jacobian, its factors for the real and the complex shift over h, and the rate of convergence.
    orders
        For every leaf by what its corrections are multiplied before they are measured, or None.

    Returns
    -------
    tuple
        `(z, Solved)`, z like `guess`. Cost of an iteration: three evaluations, a real and a complex substitution.
        Derivatives cost a factorisation of a real matrix of 3n unknowns.
    """
    return system.root(_find, _residual, _solver, ta, tb, y, *lax.stop_gradient((guess, kept, orders)))


def stage(z: tuple, i: int) -> tuple:
    """One of the three."""
    size = len(z) // 3
    return z[i * size : (i + 1) * size]


def stage_times(ta: Any, tb: Any) -> tuple:
    """The last one is `tb` to the last digit."""
    return (*(ta + node * (tb - ta) for node in NODES[:2]), tb)


def scaled(values: tuple, factors: tuple | None) -> tuple:
    """Leaf by leaf; None leaves the values alone."""
    return values if factors is None else tuple(a * b for a, b in zip(values, factors, strict=True))


def added(y: tuple, z: tuple) -> tuple:
    """Leaf by leaf."""
    return tuple(a + b for a, b in zip(y, z, strict=True))


def _residual(system, z, ta, tb, y, *_):
    """`f(t_i, y + z_i) - M sum_j (A^-1)_ij z_j / h`, in units of the slope."""
    stages = [stage(z, i) for i in STAGES]
    inverse_h = 1.0 / (tb - ta)
    out = ()
    for row, t, z_i in zip(INVERSE, stage_times(ta, tb), stages, strict=True):
        coupled = system.mass_product(linear_combination(None, None, row, stages))
        out += linear_combination(system.vector_field(t, added(y, z_i)), -inverse_h, (1.0,), [coupled])
    return out


def _find(system, ta, tb, y, guess, kept, orders):
    linear = system.with_jacobian(kept.jacobian)

    def iterate(z):
        residual = _residual(system, z, ta, tb, y)
        right = [stage(residual, i) for i in STAGES]
        real, *pair = (linear_combination(None, None, row, right) for row in TO_MODES)
        first = linear.solve(kept.real, real)
        both = linear.solve(kept.complex, tuple(lax.complex(a, b) for a, b in zip(*pair, strict=True)))
        modes = first, tuple(leaf.real for leaf in both), tuple(leaf.imag for leaf in both)
        return sum((linear_combination(None, None, row, modes) for row in FROM_MODES), ()), 0.0

    def norm(values, z):
        sizes = [system.norm(scaled(stage(values, i), orders), y, added(y, stage(z, i))) for i in STAGES]
        return jnp.sqrt(sum(size * size for size in sizes) / 3)

    operands = ta, tb, y, kept, orders
    return simplified_newton(
        system, iterate, guess, kept.rate, operands, ACCURACY, norm=norm, state=y * 3, iterations=MAX_ITERATIONS
    )


def _solver(system, z, ta, tb, y, *_):
    """For `d residual/dz x = rhs`."""
    linears = [system.linearise(t, added(y, stage(z, i))) for i, t in enumerate(stage_times(ta, tb))]
    inverse_h = 1.0 / (tb - ta)
    if isinstance(linears[0], SparseLinearisation):
        return _sparse_solver(linears, inverse_h)
    if isinstance(linears[0], ComponentLinearisation):
        return _component_solver(linears, inverse_h, y[0].dtype)
    size, dtype = linears[0].jacobian.shape[0], linears[0].jacobian.dtype
    mass = linears[0].mass
    mass = jnp.eye(size, dtype=dtype) if mass is None else mass.dense().astype(dtype)
    coupled = jnp.kron(jnp.asarray(INVERSE, dtype), inverse_h.astype(dtype) * mass)
    return _flat_solver(_on_diagonal([linear.jacobian for linear in linears]) - coupled)


def _on_diagonal(blocks):
    nothing = jnp.zeros_like(blocks[0])
    return jnp.block([[blocks[i] if i == j else nothing for j in STAGES] for i in STAGES])


def _flat_solver(matrix):
    solve = factorised_solver(matrix)
    return lambda rhs: split_like(solve(concatenate(rhs)), rhs)


def _component_solver(linears, inverse_h, dtype):
    size = len(linears[0].jacobian)
    inverse_h = inverse_h.astype(dtype)
    mass = linears[0].mass
    mass = {(i, i): jnp.ones((), dtype) for i in range(size)} if mass is None else mass.entries()
    zero = jnp.zeros((), dtype)

    def entry(row, column):
        (a, i), (b, j) = divmod(row, size), divmod(column, size)
        value = jnp.asarray(linears[a].jacobian[i][j]).astype(dtype) if a == b else zero
        return value - (INVERSE[a][b] * inverse_h) * mass[i, j].astype(dtype) if (i, j) in mass else value

    rows = tuple(tuple(entry(i, j) for j in range(3 * size)) for i in range(3 * size))
    if 3 * size <= MAX_WRITTEN_OUT:
        return factorised_solver(rows)
    return _flat_solver(jnp.stack([jnp.stack(row) for row in rows]))


def _sparse_solver(linears, inverse_h):
    form = linears[0].form
    structure, jacobian_slots, mass_slots = _stage_structure(form)
    dtype = linears[0].jacobian.dtype
    mass = linears[0].mass
    # The slots of the mass matrix are those in `form.whole`.
    entries = jnp.ones(form.pattern.shape[0], dtype) if mass is None else mass.values.astype(dtype)
    weights = jnp.asarray(np.ravel(INVERSE), dtype) * inverse_h.astype(dtype)
    nnz = structure.pattern.nnz
    jacobians = place(jnp.concatenate([linear.jacobian for linear in linears]), jacobian_slots, nnz)
    coupled = place(jnp.ravel(weights[:, None] * entries), mass_slots, nnz)
    solve = structure.solver(jacobians - coupled)
    return lambda rhs: split_like(solve(concatenate(rhs)), rhs)


@functools.lru_cache(maxsize=32)
def _stage_structure(form: SparseForm) -> tuple:
    """The structure of the system of all stages, and where the entries of the Jacobians and of the mass go in it."""
    size = form.pattern.shape[0]
    mass_rows, mass_columns = form.whole.rows[form.mass_slots], form.whole.cols[form.mass_slots]
    blocks = [(i, j) for i in STAGES for j in STAGES]
    shape = (3 * size, 3 * size)
    rows = np.concatenate([form.pattern.rows + i * size for i in STAGES] + [mass_rows + i * size for i, _ in blocks])
    columns = np.concatenate(
        [form.pattern.cols + i * size for i in STAGES] + [mass_columns + j * size for _, j in blocks]
    )
    whole = SparsityPattern(rows, columns, shape)
    keys = whole.rows.astype(np.int64) * shape[1] + whole.cols
    slots = np.searchsorted(keys, rows.astype(np.int64) * shape[1] + columns)
    split = 3 * form.pattern.nnz
    is_regular = bool(np.all(SparsityPattern(mass_rows, mass_columns, (size, size)).diagonal >= 0))
    return direct_structure(whole, exchange_all_rows=not is_regular), slots[:split], slots[split:]
