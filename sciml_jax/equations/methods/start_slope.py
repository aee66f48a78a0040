"""The slope `y'` at a start, for methods that keep slopes or differences of the state."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...numerics.combine import linear_combination
from ...numerics.linear_solve import factorised_solver
from ..engine.flat import concatenate, split_like


def start_slope(system: Any, t0: Any, y0: tuple) -> tuple:
    """`v` with `M v = f(t0, y0)` as far as that has a solution, and zero where `M` says nothing; one evaluation.

    A singular `M` leaves the slopes of algebraic variables open. A method that only uses `M v` does not see them; what
    it extrapolates for these variables over the first step is their value at the start.
    """
    slope, mass = system.vector_field(t0, y0), system.mass
    if mass is None:
        return slope
    if mass.rows == mass.columns:
        return _divided(mass, slope)
    if isinstance(mass.values, tuple):
        return _least_squares_of_components(mass, slope)
    matrix, flat = mass.dense(), concatenate(slope)
    product = lambda a, b: jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
    squared = product(matrix.T, matrix)
    damped = squared + _damping(jnp.trace(squared)) * jnp.eye(mass.size, dtype=matrix.dtype)
    solution = factorised_solver(damped.astype(flat.dtype))(product(matrix.T.astype(flat.dtype), flat))
    return split_like(solution, slope)


def _divided(mass: Any, slope: tuple) -> tuple:
    quotient = lambda f, m: jnp.where(m != 0, f / jnp.where(m != 0, m, 1), 0)
    if isinstance(mass.values, tuple):
        entries = dict(zip(mass.rows, mass.values, strict=True))
        return tuple(quotient(f, entries[i]) if i in entries else jnp.zeros_like(f) for i, f in enumerate(slope))
    flat = concatenate(slope)
    return split_like(quotient(flat, mass.diagonal().astype(flat.dtype)), slope)


def _least_squares_of_components(mass: Any, slope: tuple) -> tuple:
    """The normal equations `(M^T M + damping) v = M^T f`, written out."""
    size, entries = mass.size, mass.entries()
    column = lambda i: {row: value for (row, j), value in entries.items() if j == i}
    columns = [column(i) for i in range(size)]
    zero = jnp.zeros_like(slope[0])
    inner = lambda a, b: sum((a[row] * b[row] for row in a if row in b), zero)
    squared = [[inner(a, b) for b in columns] for a in columns]
    damping = _damping(sum((squared[i][i] for i in range(size)), zero))
    matrix = tuple(
        tuple(entry + damping if i == j else entry for j, entry in enumerate(row)) for i, row in enumerate(squared)
    )
    right = tuple(sum((value * slope[row] for row, value in a.items()), zero) for a in columns)
    return factorised_solver(matrix)(right)


def _damping(trace: Any) -> Any:
    """Small beside the matrix, large beside rounding."""
    return lax.stop_gradient(trace) * np.sqrt(jnp.finfo(trace.dtype).eps)


@jax.custom_jvp
def as_if_moved(y: tuple, slope: tuple, t: Any) -> tuple:
    """`y` itself, with the derivative of following the solution back when `t` moves on.

    When t0 moves, the solution through `(t0, y0)` moves as if y0 did by `-y' dt0` with t0 fixed. Differentiating the
    first step, which is of low order, in its own size instead would leave an error that longer steps magnify.
    """
    del slope, t
    return y


@as_if_moved.defjvp
def _as_if_moved_jvp(primals, tangents):
    y, slope, _ = primals
    dy, _, dt = tangents
    return y, linear_combination(dy, -dt, (1.0,), [slope])
