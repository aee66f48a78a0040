"""Coefficients of the Runge-Kutta-Chebyshev method, from Chebyshev polynomials near 1."""

import functools

import numpy as np

DAMPING = 2 / 13
"""How far the polynomials are damped inside the stability interval; 2/13 leaves 98 per cent of its length."""


@functools.cache
def chebyshev_coefficients(max_stages: int) -> np.ndarray:
    """`(c_(j-1), mu_j, nu_j, mu~_j, gamma~_j)` at `[s, j]`, for s = 2...max_stages stages and j = 1...s.

    The shape is (n, n, 5) with `n = max_stages + 1`; entries for other s and j mean nothing, and row `[s, 1]` holds
    `mu~_1` only. With T_j the Chebyshev polynomials at `w0 = 1 + 2/(13 s^2)`, `w1 = T_s'/T_s''`, `b_j = T_j''/T_j'^2`
    and `b_0 = b_1 = b_2`:

        mu_j = 2 b_j w0 / b_(j-1),   nu_j = -b_j / b_(j-2),   mu~_j = 2 b_j w1 / b_(j-1),   mu~_1 = b_1 w1,
        gamma~_j = -(1 - b_(j-1) T_(j-1)) mu~_j,   c_j = w1 T_j''/T_j',   c_1 = mu~_1.

    Sommeijer, Shampine & Verwer, J. Comput. Appl. Math. 88 (1997) 315-326.
    """
    size = max_stages + 1
    s = np.maximum(np.arange(size, dtype=float), 2.0)
    w0 = 1 + DAMPING / s**2
    values, slopes, curvatures = _polynomials(w0, size)
    last = s.astype(int), np.arange(size)
    w1 = slopes[last] / curvatures[last]
    b = np.empty((size, size))
    b[2:] = curvatures[2:] / slopes[2:] ** 2
    b[0] = b[1] = b[2]
    a = 1 - b * values
    table = np.zeros((size, size, 5))
    nodes = np.vstack([0 * w1, b[1] * w1, w1 * curvatures[2:] / slopes[2:]])
    table[:, 1:, 0] = nodes[:-1].T
    table[:, 1, 3] = b[1] * w1
    rising = 2 * b[2:] * w1 / b[1:-1]
    table[:, 2:, 1] = (2 * b[2:] * w0 / b[1:-1]).T
    table[:, 2:, 2] = (-b[2:] / b[:-2]).T
    table[:, 2:, 3] = rising.T
    table[:, 2:, 4] = (-a[1:-1] * rising).T
    return table


def _polynomials(x: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`T_j(x)` and its first two derivatives for j below `size`, in rows, by their three-term recurrences."""
    values, slopes, curvatures = (np.zeros((size, len(x))) for _ in range(3))
    values[0], values[1], slopes[1] = 1.0, x, 1.0
    for j in range(2, size):
        values[j] = 2 * x * values[j - 1] - values[j - 2]
        slopes[j] = 2 * values[j - 1] + 2 * x * slopes[j - 1] - slopes[j - 2]
        curvatures[j] = 4 * slopes[j - 1] + 2 * x * curvatures[j - 1] - curvatures[j - 2]
    return values, slopes, curvatures
