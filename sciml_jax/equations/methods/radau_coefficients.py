"""Coefficients of the three-stage Radau IIA method, and the real form in which its stages fall apart.

The collocation polynomial `p` with `p(0) = 0` and values `z_i` at the nodes has the slopes `p'(c_i) = (A^-1 z)_i`. An
eigenvector of A^-1 holds the node values of a `p` with `p' - lambda p = const N`, N the polynomial of the nodes, so it
is `v(c) = sum_(k=1..3) N^(k)(c) / lambda^k`: A^-1 has one real eigenvalue and a conjugate pair.

References
----------
Hairer & Wanner, Solving Ordinary Differential Equations II (1996), IV.5 and IV.8.
"""

from typing import Any

import numpy as np

_ROOT = np.sqrt(6.0)

NODES = (float((4 - _ROOT) / 10), float((4 + _ROOT) / 10), 1.0)
"""Where the stages lie in the step."""

_A = np.array(
    [
        [(88 - 7 * _ROOT) / 360, (296 - 169 * _ROOT) / 1800, (-2 + 3 * _ROOT) / 225],
        [(296 + 169 * _ROOT) / 1800, (88 + 7 * _ROOT) / 360, (-2 - 3 * _ROOT) / 225],
        [(16 - _ROOT) / 36, (16 + _ROOT) / 36, 1 / 9],
    ]
)

_CUBE_ROOTS = 81 ** (1 / 3), 9 ** (1 / 3)
# The eigenvalues of A; those of its inverse are needed.
_REAL = (6 + _CUBE_ROOTS[0] - _CUBE_ROOTS[1]) / 30
_PAIR = complex((12 - _CUBE_ROOTS[0] + _CUBE_ROOTS[1]) / 60, (_CUBE_ROOTS[0] + _CUBE_ROOTS[1]) * 3**0.5 / 60)

REAL_SHIFT = 1 / _REAL
"""The real eigenvalue of A^-1."""

COMPLEX_SHIFT = 1 / _PAIR.conjugate()
"""The complex one with positive imaginary part."""


def _rows(matrix: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(entry) for entry in row) for row in matrix)


def _eigenvector(eigenvalue: complex) -> Any:
    """Of A^-1, with one as its last entry."""
    derivatives = [np.polynomial.Polynomial.fromroots(NODES).deriv(k) for k in (1, 2, 3)]
    values = np.sum([p(np.array(NODES)) / eigenvalue**k for k, p in enumerate(derivatives, 1)], axis=0)
    return values / values[-1]


def _transformation() -> np.ndarray:
    """T with `A^-1 T = T [[r, 0, 0], [0, a, -b], [0, b, a]]` for the shifts r and a + ib."""
    real, pair = _eigenvector(REAL_SHIFT), _eigenvector(COMPLEX_SHIFT.conjugate())
    return np.stack([real.real, pair.real, pair.imag], axis=1)


INVERSE = _rows(np.linalg.inv(_A))
"""A^-1."""

FROM_MODES = _rows(_transformation())
"""T: the stages from a real mode and the real and imaginary part of a complex one."""

TO_MODES = _rows(np.linalg.inv(_transformation()))
"""T^-1."""

ERROR = (float(-(13 + 7 * _ROOT) / 3), float((-13 + 7 * _ROOT) / 3), -1 / 3)
"""Weights of the stages in the error estimate `(r/h M - J)^-1 (f(t, y) + M sum_i e_i z_i / h)`."""


def interpolation_weights(s: Any) -> tuple:
    """The values at `s` of the polynomials that are one at one node and zero at the others and at 0."""
    points = (0.0, *NODES)
    weights = []
    for i in range(1, 4):
        others = [p for j, p in enumerate(points) if j != i]
        scale = 1.0 / float(np.prod([points[i] - p for p in others]))
        weights.append(scale * (s - others[0]) * (s - others[1]) * (s - others[2]))
    return tuple(weights)
