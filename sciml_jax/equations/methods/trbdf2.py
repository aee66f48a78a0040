"""The trapezoidal rule followed by the second-order backward differentiation formula, as one method."""

import math
from typing import ClassVar

from .diagonally_implicit import AbstractDiagonallyImplicit, DiagonallyImplicitTableau

_ROOT = math.sqrt(2.0)
_GAMMA = 1.0 - _ROOT / 2.0
_NODE = 2.0 - _ROOT
_WEIGHT = _ROOT / 4.0

_TABLEAU = DiagonallyImplicitTableau(
    gamma=_GAMMA,
    c=(0.0, _NODE, 1.0),
    a=((), (_GAMMA,), (_WEIGHT, _WEIGHT)),
    # The embedded weights ((1 - w)/3, (3 w + 1)/3, gamma/3) are of order three.
    error=(_WEIGHT - (1.0 - _WEIGHT) / 3.0, -1.0 / 3.0, 2.0 * _GAMMA / 3.0),
    dense=((1.0 / (_NODE * (1.0 - _NODE)), -1.0 / (1.0 - _NODE)),),
)


class TRBDF2(AbstractDiagonallyImplicit):
    """TR-BDF2"""

    tableau: ClassVar[DiagonallyImplicitTableau] = _TABLEAU
    order: ClassVar[int] = 2
    error_order: ClassVar[int | None] = 3
    evaluations_per_step: ClassVar[int] = 4
