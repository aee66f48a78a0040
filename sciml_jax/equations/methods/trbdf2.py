"""The trapezoidal rule followed by the second-order backward differentiation formula, as one method."""

import math
from typing import Any, ClassVar

from jax import lax

from ...numerics.combine import linear_combination
from .diagonally_implicit import AbstractDiagonallyImplicit, DiagonallyImplicitTableau
from .implicit_stage import Kept

_ROOT = math.sqrt(2.0)
_GAMMA = 1.0 - _ROOT / 2.0
_NODE = 2.0 - _ROOT
_WEIGHT = _ROOT / 4.0

_TABLEAU = DiagonallyImplicitTableau(
    gamma=_GAMMA,
    c=(0.0, _NODE, 1.0),
    a=((), (_GAMMA,), (_WEIGHT, _WEIGHT)),
    error=(),
    dense=((1.0 / (_NODE * (1.0 - _NODE)), -1.0 / (1.0 - _NODE)),),
)


# Of F: the solution minus ((1 - w)/3, (3 w + 1)/3, gamma/3), which are of order three.
_ERROR = (_WEIGHT - (1.0 - _WEIGHT) / 3.0, -1.0 / 3.0, 2.0 * _GAMMA / 3.0)


class TRBDF2(AbstractDiagonallyImplicit):
    """TR-BDF2"""

    tableau: ClassVar[DiagonallyImplicitTableau] = _TABLEAU
    order: ClassVar[int] = 2
    error_order: ClassVar[int | None] = 3
    evaluations_per_step: ClassVar[int] = 4
    newton_accuracy: ClassVar[float] = 0.03

    def local_error(self, system: Any, kept: Kept, h: Any, values: list[tuple], slopes: list[tuple]) -> tuple:
        """`(M - gamma h J)^-1 h sum_i d_i F_i`, and the Jacobian-vector products that it took; no derivative."""
        del values
        kept, h, slopes = lax.stop_gradient((kept, h, slopes))
        rhs = linear_combination(None, h / kept.scale, _ERROR, slopes)
        return system.with_jacobian(kept.jacobian).solve_counted(kept.factors, rhs)
