"""The explicit Euler method."""

from typing import ClassVar

from .explicit_runge_kutta import AbstractExplicitRungeKutta, Tableau


class Euler(AbstractExplicitRungeKutta):
    """Euler's method, `y1 = y + h f(t, y)`: order 1, no error estimate (give `dt0`).

    One evaluation per step. For teaching and for maps; any other method here is more accurate for the same work.

    References
    ----------
    Euler, Institutionum calculi integralis I (1768).
    """

    tableau: ClassVar[Tableau] = Tableau(c=(), a=(), b=(1.0,), b_error=None)
    order: ClassVar[int] = 1
    error_order: ClassVar[int | None] = None
    evaluations_per_step: ClassVar[int] = 1
