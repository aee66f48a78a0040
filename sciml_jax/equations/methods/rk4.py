"""The classic Runge-Kutta method of order 4."""

from typing import ClassVar

from .explicit_runge_kutta import AbstractExplicitRungeKutta, Tableau


class RK4(AbstractExplicitRungeKutta):
    """The classic fourth-order method, without an error estimate (give `dt0`).

    Four evaluations per step. Where a fixed step is wanted; `Tsit5` is better wherever the step may adapt.

    References
    ----------
    Kutta, Beitrag zur näherungsweisen Integration totaler Differentialgleichungen, Z. Math. Phys. 46 (1901) 435-453.
    """

    tableau: ClassVar[Tableau] = Tableau(
        c=(0.5, 0.5, 1.0),
        a=((0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)),
        b=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
        b_error=None,
    )
    order: ClassVar[int] = 4
    error_order: ClassVar[int | None] = None
    evaluations_per_step: ClassVar[int] = 4
