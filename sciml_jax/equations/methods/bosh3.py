"""Bogacki and Shampine's method of order 3."""

from typing import ClassVar

import diffrax

from .explicit_runge_kutta import AbstractExplicitRungeKutta, Tableau, from_diffrax


class Bosh3(AbstractExplicitRungeKutta):
    """Bogacki-Shampine 3(2): order 3, first same as last, cubic Hermite dense output (order 3).

    Three evaluations per step. For loose tolerances, `rtol` of 1e-2 to 1e-3.

    References
    ----------
    Bogacki & Shampine, A 3(2) pair of Runge-Kutta formulas, Appl. Math. Lett. 2 (1989) 321-325.
    """

    tableau: ClassVar[Tableau] = from_diffrax(diffrax.Bosh3.tableau)
    order: ClassVar[int] = 3
    error_order: ClassVar[int | None] = 3
    evaluations_per_step: ClassVar[int] = 3
