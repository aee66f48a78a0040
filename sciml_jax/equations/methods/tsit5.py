"""Tsitouras' method of order 5."""

from typing import Any, ClassVar

import diffrax
import equinox as eqx

from ...numerics.combine import linear_combination
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
        """The step's stages."""
        del y1, f1
        return h, y, tuple(stages)

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """Tsitouras' continuous extension: weights `b_i(s)` that are polynomials of degree 4; order 4."""
        h, y, stages = dense
        return linear_combination(y, h, _weights(fraction), stages)


def _weights(s: Any) -> tuple:
    """Weights of the seven stages at the fraction s: `s * (1 + ...)` for the first, `s^2 (...)` for the others."""
    square = s * s
    return tuple(
        square * (c2 + s * (c3 + s * c4)) + (s if i == 0 else 0.0) for i, (c2, c3, c4) in enumerate(_COEFFICIENTS)
    )


_COEFFICIENTS = (
    (-2.763706197274826, 2.9132554618219126, -1.0530884977290216),
    (0.13169999999999998, -0.2234, 0.1017),
    (3.930296236894751, -5.941033872131505, 2.490627285651253),
    (-12.411077166933676, 30.33818863028232, -16.548102889244902),
    (37.50931341651104, -88.1789048947664, 47.37952196281928),
    (-27.896526289197286, 65.09189467479366, -34.87065786149661),
    (1.5, -4.0, 2.5),
)
"""Coefficients of s^2, s^3, s^4 for each stage (the first stage also has s): Tsitouras 2011, expanded."""
