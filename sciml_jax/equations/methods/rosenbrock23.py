"""Shampine and Reichelt's Rosenbrock method of order 2."""

import math
from typing import ClassVar

from .rosenbrock import AbstractRosenbrock, RosenbrockTableau

_D = 1.0 / (2.0 + math.sqrt(2.0))
_E32 = 6.0 + math.sqrt(2.0)

# The paper states the stages as slopes, k1, k2, k3, with products of the matrix in the third. With u1 = h d k1,
# u2 = h d (k2 - k1) and u3 = h d (k3 - e32 (k2 - k1) - 2 k1) these products cancel and only the mass matrix is left.
_TABLEAU = RosenbrockTableau(
    gamma=_D,
    c=(0.0, 0.5, 1.0),
    a=((), (0.5 / _D,), (1.0 / _D, 1.0 / _D)),
    coupling=((), (-1.0 / _D,), (-2.0 / _D, -_E32 / _D)),
    d=(_D, 0.0, -_D),
    dense=((0.0, -1.0 / (_D * (1.0 - 2.0 * _D)), 0.0),),
    error=(1.0 / (6.0 * _D), (_E32 - 2.0) / (6.0 * _D), 1.0 / (6.0 * _D)),
)


class Rosenbrock23(AbstractRosenbrock):
    """Rosenbrock23 (ode23s): order 2, L-stable, three stages, dense output of order 2. For rough stiff problems.

    One Jacobian, one factorisation, three solves and two new evaluations per step (the last stage is at the new state,
    and the next step's first); `mass_matrix=` of index 1. For `rtol` of 1e-2 to 1e-3, for vector fields that are barely
    smooth, and as a robust second opinion; at tighter tolerances `Rodas4` and `Rodas5P` need far fewer steps. Advances
    the solution of order 2 and estimates its error by a third stage. The state must be real.

    References
    ----------
    Shampine & Reichelt, The MATLAB ODE suite, SIAM J. Sci. Comput. 18 (1997) 1-22, section 3.
    """

    tableau: ClassVar[RosenbrockTableau] = _TABLEAU
    order: ClassVar[int] = 2
    error_order: ClassVar[int | None] = 3
    evaluations_per_step: ClassVar[int] = 2
    carries_f0: ClassVar[bool] = True
