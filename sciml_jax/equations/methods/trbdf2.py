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
    """TR-BDF2: order 2, L-stable, two implicit stages with one matrix. For stiff problems at low accuracy.

    The trapezoidal rule to `ta + (2 - sqrt(2)) h`, then the backward differentiation formula of order 2 through both
    points to `tb`; with `gamma = 1 - sqrt(2)/2` both solve equations with `M/(gamma h) - J`. Stage order 2, so its
    order is not reduced on stiff problems (measured on Prothero & Robinson's: 2.0 for `h |lambda|` of 1e5).

    Each stage takes one to three evaluations by simplified Newton iterations; Jacobian and factorisation are kept from
    step to step while they serve. Best for `rtol` of 1e-2 to 1e-4: large or cheap-to-approximate problems, frequent
    discontinuities (it restarts at full order, unlike `BDF`), and solutions that must not oscillate. Tighter, take
    `KenCarp4` or `Rodas5P`; for non-stiff problems `Tsit5`. The state must be real.

    Solves `M y' = f` with a constant, possibly singular `mass_matrix` (index 1). The local error estimate is of order
    3, multiplied by `(M - gamma h J)^-1`; the global error therefore falls as the tolerance to the power 2/3 and is
    larger than the tolerance: some 10 to 100 times at `rtol=1e-4`, 10 to 1000 times at 1e-6. Dense output: the parabola
    through the two stages and the beginning, order 2, continuous.

    With `sj.FixedStep()` every step has its own Jacobian and the iterations go on to rounding, so the tolerances play
    no part. An iteration that fails with the smallest step ends in `Status.SINGULAR`. Derivatives are those of the
    discrete solution, from the implicit function theorem; they cost one Jacobian and factorisation per stage and step.
    Those of `ForwardSensitivity` do not enter the error estimate.

    Parameters
    ----------
    linear_solver
        `sj.Direct()`, `sj.GMRES(...)` or None for `Direct`.

    References
    ----------
    Bank, Coughran, Fichtner, Grosse, Rose & Smith, Transient simulation of silicon devices and circuits, IEEE Trans.
    Electron Devices 32 (1985) 1992-2007. Hosea & Shampine, Analysis and implementation of TR-BDF2, Appl. Numer. Math.
    20 (1996) 21-37.
    """

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
