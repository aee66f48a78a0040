"""Coefficients of the numerical differentiation formulas, and the change of a table of differences to another size.

References
----------
Klopfenstein, Numerical differentiation formulas for stiff systems of ordinary differential equations, RCA Review 32
(1971) 447-462. Shampine & Reichelt, The MATLAB ODE suite, SIAM J. Sci. Comput. 18 (1997) 1-22.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import jax.numpy as jnp

MAX_ORDER = 5
"""BDF of order six is hardly stable enough to be of use, beyond six none is stable."""

KAPPA = (-0.1850, -1 / 9, 0.0, 0.0, 0.0)
"""By how much the formula of each order leans on its predictor; zero is a BDF.

Orders 1 and 2 are A-stable with or without it. At orders 3 and 4 the published -0.0823 and -0.0415 would lengthen the
steps, but narrow the wedge of stability from 86 and 73 degrees to 80 and 66: with eigenvalues 5 to 6 degrees from the
imaginary axis (problem B5 of the stiff DETEST set) that takes twice the steps, and on no problem tried does it pay.
"""

GAMMA = tuple(accumulate(1.0 / j for j in range(1, MAX_ORDER + 1)))
"""`gamma_k = sum_(j=1..k) 1/j`."""

ALPHA = tuple((1 - kappa) * gamma for kappa, gamma in zip(KAPPA, GAMMA, strict=True))
"""`h/alpha_k` is the weight of the slope at order k."""

ERROR = tuple(kappa * gamma + 1 / (k + 2) for k, (kappa, gamma) in enumerate(zip(KAPPA, GAMMA, strict=True)))
"""The leading term of the local error at order k is this times the difference of order k + 1."""


def pick(values: Sequence[Any], order: Any) -> Any:
    """`values[order - 1]` for a traced float order, without a gather; zero outside."""
    chosen = [jnp.where(order == k + 1, value, 0.0) for k, value in enumerate(values)]
    return sum(chosen[1:], chosen[0]).astype(order.dtype)


def rescaling(ratio: Any, size: int) -> list[list[Any]]:
    """`c[i][j]` with `D*_i = sum_(j >= i) c[i][j] D_j`, those of the same polynomial on steps `ratio` as long.

    With the backward difference D as a formal variable, a step of another size is `1 - D* = (1 - D)^ratio`, so row i
    holds the coefficients of `(1 - (1 - D)^ratio)^i`. Rows and columns count from one; entries below the diagonal are
    zero, and for a ratio of exactly one the matrix is the identity exactly.
    """
    first: list[Any] = [0.0, ratio]
    for j in range(1, size):
        first.append(first[-1] * ((j - ratio) / (j + 1)))
    rows = [[0.0] * (size + 1), first]
    for i in range(2, size + 1):
        row: list[Any] = [0.0] * (size + 1)
        for j in range(i, size + 1):
            row[j] = sum((rows[i - 1][j - m] * first[m] for m in range(2, j - i + 2)), rows[i - 1][j - 1] * first[1])
        rows.append(row)
    return rows
