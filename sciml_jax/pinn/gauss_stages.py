"""Gauss-Legendre collocation with any number of stages: coefficients, and the polynomial through the stages."""

from typing import NamedTuple

import numpy as np


class GaussStages(NamedTuple):
    """The implicit Runge-Kutta method of order 2 q, and how its stages are continued to all times."""

    nodes: np.ndarray
    """(q,): times of the stages in [0, 1]."""
    matrix: np.ndarray
    """(q, q): integrals of the Lagrange polynomials from 0 to every node."""
    weights: np.ndarray
    """(q,): their integrals from 0 to 1."""
    to_legendre: np.ndarray
    """(q + 2, q + 2): Legendre coefficients of the polynomial through the values at 0, all nodes and 1."""


def gauss_stages(count: int) -> GaussStages:
    r"""Coefficients of Gauss-Legendre collocation, from expansions in Legendre polynomials, so for hundreds of stages.

    On [-1, 1] the Lagrange polynomials are $\ell_j = \sum_{k<q} \frac{2k+1}{2} w_j P_k(x_j) P_k$, because Gauss
    quadrature is exact for the products, and $\int_{-1}^x P_k = (P_{k+1} - P_{k-1}) / (2k+1)$.

    Parameters
    ----------
    count
        q, the number of stages.

    References
    ----------
    Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I (1993), II.7.
    """
    x, w = np.polynomial.legendre.leggauss(count)
    values = np.polynomial.legendre.legvander(x, count)
    # P_{-1} = -1 makes the integral of P_0 the same formula.
    below = np.concatenate([-np.ones((count, 1)), values[:, : count - 1]], axis=1)
    integrals = values[:, 1 : count + 1] - below
    matrix = integrals @ (values[:, :count] * w[:, None]).T / 4
    through = np.concatenate([[-1.0], x, [1.0]])
    inverse = np.linalg.inv(np.polynomial.legendre.legvander(through, count + 1))
    return GaussStages((x + 1) / 2, matrix, w / 2, inverse)
