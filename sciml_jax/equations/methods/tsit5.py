"""Tsitouras' method of order 5."""

from typing import Any, ClassVar

import diffrax
import equinox as eqx

from ...numerics.combine import linear_combination
from ...numerics.interpolation import cubic_hermite
from .explicit_runge_kutta import AbstractExplicitRungeKutta, Tableau, from_diffrax


class Tsit5(AbstractExplicitRungeKutta):
    """Tsitouras 5(4): order 5, first same as last, free dense output of order 4. The default for non-stiff problems.

    Six evaluations per step. Best for `rtol` of 1e-3 to 1e-8; for a stiff problem use `Rodas5P`.

    Parameters
    ----------
    detect_stiffness
        Whether a solve that runs out of steps also finds out whether stability was what limited them
        (`Status.STIFF`). Costs one step at the very end; on where `method=None` chose this method.

    References
    ----------
    Tsitouras, Runge-Kutta pairs of order 5(4) satisfying only the first column simplifying assumption, Comput. Math.
    Appl. 62 (2011) 770-775; the interpolant is in its section 4.
    """

    detect_stiffness: bool = eqx.field(default=False, static=True)

    tableau: ClassVar[Tableau] = from_diffrax(diffrax.Tsit5.tableau)
    order: ClassVar[int] = 5
    error_order: ClassVar[int | None] = 5
    evaluations_per_step: ClassVar[int] = 6

    def dense(self, h: Any, y: tuple, y1: tuple, stages: list[tuple], f1: tuple) -> Any:
        """The ends of the step and the quartic correction to the cubic Hermite polynomial."""
        correction = linear_combination(None, h, _QUARTIC, stages)
        return h, y, y1, stages[0], f1, correction

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """Tsitouras' continuous extension, of degree and order 4.

        Its values and slopes at the ends are those of the solution, so it is the cubic Hermite polynomial plus a
        multiple of `s^2 (1 - s)^2`: the same polynomial with a third of the operations, exact at both ends.
        """
        h, y0, y1, f0, f1, correction = dense
        bump = (fraction * (1 - fraction)) ** 2
        cubic = cubic_hermite(h, y0, y1, f0, f1, fraction)
        return linear_combination(cubic, bump, (1.0,), [correction])


_QUARTIC = (
    -1.0530884977290216,
    0.1017,
    2.490627285651253,
    -16.548102889244902,
    47.37952196281928,
    -34.87065786149661,
    2.5,
)
"""Coefficients of s^4 in the weights of the stages: Tsitouras 2011, expanded."""
