"""Heun's method of order 2."""

from typing import ClassVar

import diffrax

from .explicit_runge_kutta import AbstractExplicitRungeKutta, Tableau, from_diffrax


class Heun(AbstractExplicitRungeKutta):
    """Heun's method (the explicit trapezoidal rule): order 2 with embedded Euler for the error estimate.

    Two evaluations per step. For crude accuracy (`rtol` above 1e-2) or vector fields that are hardly smooth.

    References
    ----------
    Heun, Neue Methoden zur approximativen Integration, Z. Math. Phys. 45 (1900) 23-38.
    """

    tableau: ClassVar[Tableau] = from_diffrax(diffrax.Heun.tableau)
    order: ClassVar[int] = 2
    error_order: ClassVar[int | None] = 2
    evaluations_per_step: ClassVar[int] = 2
