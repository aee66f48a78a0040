"""Dormand and Prince's method of order 5."""

from typing import Any, ClassVar

import diffrax

from ...numerics.combine import linear_combination
from ...numerics.interpolation import cubic_hermite
from .explicit_runge_kutta import AbstractExplicitRungeKutta, Tableau, from_diffrax


class Dopri5(AbstractExplicitRungeKutta):
    """Dormand-Prince 5(4): order 5, first same as last, dense output of order 4. MATLAB's `ode45`, SciPy's `RK45`.

    Six evaluations per step; `Tsit5` has somewhat smaller errors for the same work.

    References
    ----------
    Dormand & Prince, A family of embedded Runge-Kutta formulae, J. Comput. Appl. Math. 6 (1980) 19-26. Dense output:
    Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I (1993), II.6.
    """

    tableau: ClassVar[Tableau] = from_diffrax(diffrax.Dopri5.tableau)
    order: ClassVar[int] = 5
    error_order: ClassVar[int | None] = 5
    evaluations_per_step: ClassVar[int] = 6

    def dense(self, h: Any, y: tuple, y1: tuple, stages: list[tuple], f1: tuple) -> Any:
        """The ends of the step and the quartic correction to the cubic Hermite polynomial."""
        correction = linear_combination(None, h, _QUARTIC, stages)
        return h, y, y1, stages[0], f1, correction

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """Cubic Hermite polynomial plus `s^2 (1 - s)^2` times the correction; order 4."""
        h, y0, y1, f0, f1, correction = dense
        bump = (fraction * (1 - fraction)) ** 2
        cubic = cubic_hermite(h, y0, y1, f0, f1, fraction)
        return linear_combination(cubic, bump, (1.0,), [correction])


_QUARTIC = (
    -12715105075 / 11282082432,
    0.0,
    87487479700 / 32700410799,
    -10690763975 / 1880347072,
    701980252875 / 199316789632,
    -1453857185 / 822651844,
    69997945 / 29380423,
)
"""Hairer's dense-output weights d_i of `dopri5`."""
