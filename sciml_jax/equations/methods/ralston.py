"""Ralston's method of order 2."""

from typing import ClassVar

import diffrax

from .explicit_runge_kutta import AbstractExplicitRungeKutta, Tableau, from_diffrax


class Ralston(AbstractExplicitRungeKutta):
    """Ralston's method: order 2 with the smallest bound of the local error, embedded Euler, cubic Hermite output.

    Two evaluations per step, `y1 = y + h (f(t, y) + 3 k2)/4` with `k2 = f(t + 2h/3, y + 2h/3 f(t, y))`. For crude
    accuracy (`rtol` above 1e-2) or vector fields that are hardly smooth; otherwise `Tsit5`.

    References
    ----------
    Ralston, Runge-Kutta methods with minimum error bounds, Math. Comp. 16 (1962) 431-437.
    """

    tableau: ClassVar[Tableau] = from_diffrax(diffrax.Ralston.tableau)
    order: ClassVar[int] = 2
    error_order: ClassVar[int | None] = 2
    evaluations_per_step: ClassVar[int] = 2
