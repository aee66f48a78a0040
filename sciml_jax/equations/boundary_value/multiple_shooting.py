"""Multiple shooting."""

from typing import Any

import equinox as eqx

from ...core.checks import check_instance
from ..methods.one_step import AbstractOneStepMethod
from ..methods.tsit5 import Tsit5
from .abstract_shooting import AbstractShooting
from .common import check_count
from .equations import FlatEquations
from .flow import Flow
from .matching import MatchingEquations


class MultipleShooting(AbstractShooting):
    """Shoot over each of N equal intervals and ask that the pieces meet: `y_(i+1) = Phi_i(y_i)` and `g(y_0, y_N) = 0`.

    Modes grow over a short interval only, and the guess acts everywhere, so that it solves what `sj.Shooting` cannot.
    Newton's method with damping on all states together; the linear systems couple neighbours and are solved by
    orthogonal elimination. The intervals are integrated as a batch. Converged when the correction of the states is
    below `atol + rtol |y|` in the root-mean-square norm; the integrations use a tenth of the tolerances.

    Cost: an iteration takes one batch of N integrations with n sensitivities each, and about 20 N n^3 flops. Saving at
    T times integrates once more and holds N T states. Statuses: `NOT_CONVERGED` (the iteration),
    `SINGULAR` (the conditions do not determine the solution), and those of the integrations.

    Choose N so that the fastest mode grows by less than about 1e3 over an interval; for layers that are thin compared
    with the interval take `sj.Collocation`, whose mesh moves.

    Parameters
    ----------
    num_intervals
        N.
    method
        The method that integrates, by default `sj.Tsit5()`.
    max_iterations
        Bound on Newton's iterations.

    References
    ----------
    Bock & Plitt, A multiple shooting algorithm for direct solution of optimal control problems, IFAC Proc. 17 (1984)
    1603-1608; Ascher, Mattheij & Russell, Numerical Solution of Boundary Value Problems for Ordinary Differential
    Equations (1995), section 4.3.
    """

    num_intervals: int = eqx.field(static=True, default=16)
    method: Any = eqx.field(static=True, default=Tsit5())
    max_iterations: int = eqx.field(static=True, default=50)

    def __check_init__(self):
        check_count(self.num_intervals, "num_intervals", 1)
        check_instance(self.method, AbstractOneStepMethod, "method", "sj.Tsit5()")
        check_count(self.max_iterations, "max_iterations", 1)

    @property
    def num_guess(self) -> int:
        """See `AbstractBoundaryValueMethod`."""
        return self.num_intervals + 1

    def discretise(self, equations: FlatEquations, max_steps: int) -> MatchingEquations:
        """See `AbstractBoundaryValueMethod`."""
        flow = Flow(self.method, equations, max_steps)
        return MatchingEquations(equations, flow, self.num_intervals, self.max_iterations, from_start=False)
