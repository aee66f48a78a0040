"""Many tridiagonal systems at once, also periodic ones, without pivoting."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Inexact

from ..loops import vary_like


class TridiagonalFactors(NamedTuple):
    """Factors of tridiagonal matrices, one matrix for each place in the trailing axes."""

    lower: Inexact[Array, "n ..."]
    """Multipliers of the elimination."""
    inverse: Inexact[Array, "n ..."]
    """Inverse pivots."""
    upper: Inexact[Array, "n ..."]
    """The upper diagonal over the pivots."""
    correction: Any
    """For periodic matrices: the corner column's solution and the two weights that find its factor; else None."""


def tridiagonal_factor(
    lower: Inexact[Array, "n ..."],
    diagonal: Inexact[Array, "n ..."],
    upper: Inexact[Array, "n ..."],
    *,
    periodic: bool = False,
) -> TridiagonalFactors:
    """Factor tridiagonal matrices, row i of each being `lower[i] x[i-1] + diagonal[i] x[i] + upper[i] x[i+1]`.

    Parameters
    ----------
    lower, diagonal, upper
        The diagonals, the unknowns of a line in front; trailing axes are independent lines and broadcast.
    periodic
        Whether `lower[0]` multiplies `x[n-1]` and `upper[n-1]` multiplies `x[0]` (at least three unknowns); otherwise
        these two are not used.

    Returns
    -------
    TridiagonalFactors
        For `tridiagonal_solve`.

    Notes
    -----
    Elimination without pivoting: for diagonally dominant matrices, as `shift I - J` is for diffusion. Without dominance
    pivots may vanish and the result is not finite. Periodic matrices are a tridiagonal one plus one of rank one
    (Sherman-Morrison), one more solve here. Cost 3 operations per unknown in a loop over the line, and two loops with 5
    in a solve: fast on a CPU for many lines at once; on a GPU every unknown of a line is a round of kernels.

    References
    ----------
    Golub & Van Loan, "Matrix computations", 4th edition, 2013, sections 4.3 and 2.1.4.
    """
    shape = jnp.broadcast_shapes(lower.shape, diagonal.shape, upper.shape)
    lower, diagonal, upper = (jnp.broadcast_to(x, shape) for x in (lower, diagonal, upper))
    if not periodic:
        return _factor(lower, diagonal, upper)
    if shape[0] < 3:
        msg = (
            f"A periodic line must have at least 3 unknowns; got {shape[0]}, where both neighbours are one. Add the "
            "two couplings and pass `periodic=False`."
        )
        raise ValueError(msg)
    # The rank-one part takes over the corners; minus the first pivot keeps both changed pivots away from zero.
    pivot = -diagonal[0]
    ratio = lower[0] / pivot
    changed = diagonal.at[0].add(-pivot).at[-1].add(-ratio * upper[-1])
    factors = _factor(lower, changed, upper)
    column = jnp.zeros_like(diagonal).at[0].set(pivot).at[-1].add(upper[-1])
    z = tridiagonal_solve(factors, column)
    scale = 1.0 / (1.0 + z[0] + ratio * z[-1])
    return factors._replace(correction=(z, scale, ratio * scale))


def tridiagonal_solve(factors: TridiagonalFactors, rhs: Inexact[Array, "n ..."]) -> Inexact[Array, "n ..."]:
    """Solve with the factors, shape (n, ...), lines in front; linear in `rhs`, so JAX can transpose it."""
    start = vary_like(jnp.zeros_like(rhs[0]), rhs, factors)

    def forward(previous, row):
        value, multiplier = row
        value = value - multiplier * previous
        return value, value

    def backward(following, row):
        value, inverse, upper = row
        value = inverse * value - upper * following
        return value, value

    dtype = jnp.result_type(rhs, factors.inverse)
    start = start.astype(dtype)
    _, reduced = lax.scan(forward, start, (rhs.astype(dtype), factors.lower))
    _, x = lax.scan(backward, start, (reduced, factors.inverse, factors.upper), reverse=True)
    if factors.correction is None:
        return x
    column, first, last = factors.correction
    return x - (first * x[0] + last * x[-1]) * column


def _factor(lower: Any, diagonal: Any, upper: Any) -> TridiagonalFactors:
    def eliminate(previous, row):
        a, d, c = row
        inverse_before, upper_before = previous
        multiplier = a * inverse_before
        inverse = 1.0 / (d - multiplier * upper_before)
        return (inverse, c), (multiplier, inverse, c * inverse)

    zero = vary_like(jnp.zeros_like(diagonal[0]), lower, diagonal, upper)
    rows = (lower.at[0].set(0.0), diagonal, upper.at[-1].set(0.0))
    _, (multiplier, inverse, scaled) = lax.scan(eliminate, (zero, zero), rows)
    return TridiagonalFactors(multiplier, inverse, scaled, None)
