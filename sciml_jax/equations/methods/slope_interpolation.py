"""Interpolation of a step from slopes at equidistant points of it."""

import functools
from typing import Any

from numpy.polynomial import Polynomial

from ...numerics.combine import linear_combination


def slope_interpolation(h: Any, y0: tuple, y1: tuple, slopes: tuple, fraction: Any) -> tuple:
    """The polynomial through both ends whose derivative at m equidistant fractions of the step is `slopes`.

    `slopes` holds m states, the first at 0 and the last at 1; m is even, because for odd m the values at the ends
    follow from the slopes. The degree is m + 1; with exact slopes the error behaves as h^(m + 2).
    """
    node_integral, integrals = _basis(len(slopes))
    weights = [_horner(integral, fraction) for integral in integrals]
    inside = linear_combination(y0, h, weights, slopes)
    end = linear_combination(y0, h, [sum(integral) for integral in integrals], slopes)
    # What the slopes leave open to y1 is tiny; taken up like this it loses no digits to cancellation.
    rest = tuple(b - a for a, b in zip(end, y1, strict=True))
    return linear_combination(inside, None, (_horner(node_integral, fraction),), [rest])


@functools.cache
def _basis(m: int) -> tuple:
    """Coefficients, lowest power first, of phi and of B_1, ..., B_m.

    B_j is the integral from 0 of the j-th Lagrange polynomial of the nodes: `y0 + h sum_j B_j f_j` has the slopes. phi
    is that of their node polynomial, scaled to phi(1) = 1: its slopes vanish at the nodes.
    """
    nodes = [k / (m - 1) for k in range(m)]
    phi = Polynomial.fromroots(nodes).integ()
    integrals = []
    for j, node in enumerate(nodes):
        others = Polynomial.fromroots(nodes[:j] + nodes[j + 1 :])
        integrals.append((others / others(node)).integ())
    return _coefficients(phi / phi(1.0)), tuple(_coefficients(integral) for integral in integrals)


def _coefficients(polynomial: Polynomial) -> tuple[float, ...]:
    return tuple(float(c) for c in polynomial.coef)


def _horner(coefficients: tuple[float, ...], s: Any) -> Any:
    """The polynomial at s; it has no constant term, so it vanishes at 0 exactly."""
    total: Any = 0.0
    for coefficient in reversed(coefficients[1:]):
        total = total * s + coefficient
    return total * s
