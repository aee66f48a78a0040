"""The explicit midpoint method of order 2."""

from typing import ClassVar

import diffrax

from .explicit_runge_kutta import AbstractExplicitRungeKutta, Tableau, from_diffrax


class Midpoint(AbstractExplicitRungeKutta):
    """The explicit midpoint method, `y1 = y + h f(t + h/2, y + h/2 f(t, y))`: order 2, embedded Euler, Hermite output.

    Two evaluations per step. Runge's method of 1895; for crude accuracy and for comparison. `Ralston` has a smaller
    error bound for the same work, `Tsit5` is better for `rtol` below 1e-2.

    References
    ----------
    Runge, Ueber die numerische Auflösung von Differentialgleichungen, Math. Ann. 46 (1895) 167-178.
    """

    tableau: ClassVar[Tableau] = from_diffrax(diffrax.Midpoint.tableau)
    order: ClassVar[int] = 2
    error_order: ClassVar[int | None] = 2
    evaluations_per_step: ClassVar[int] = 2
