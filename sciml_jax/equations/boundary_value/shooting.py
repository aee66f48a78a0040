"""Simple shooting."""

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


class Shooting(AbstractShooting):
    """Solve `g(y0, y1) = 0` and `y1 = Phi(y0)` for the states at both ends, where `Phi` integrates from `t0` to `t1`.

    Newton's method with damping; the derivative of `Phi` is that of the integration. Starts from the trajectory through
    the guess at `t0`; the rest of the guess does not matter. Converged when the correction of both states is below
    `atol + rtol |y|` in the root-mean-square norm; the integrations use a tenth of the tolerances.

    Cost: an iteration takes one integration with n sensitivities, and a few more without. Statuses: `NOT_CONVERGED`
    (the iteration), `SINGULAR` (the conditions do not determine `y0`), and those of the integrations.

    Not for problems with modes that grow by more than about `1 / rtol` over the interval (`y'' = 100 y`, layers): the
    end then says nothing about the beginning, or is never reached. Take `sj.MultipleShooting` or `sj.Collocation`.

    Parameters
    ----------
    method
        The method that integrates, by default `sj.Tsit5()`; for tight tolerances `sj.Vern7()`.
    max_iterations
        Bound on Newton's iterations.

    References
    ----------
    Ascher, Mattheij & Russell, Numerical Solution of Boundary Value Problems for Ordinary Differential Equations
    (1995), chapter 4.
    """

    method: Any = eqx.field(static=True, default=Tsit5())
    max_iterations: int = eqx.field(static=True, default=50)

    def __check_init__(self):
        check_instance(self.method, AbstractOneStepMethod, "method", "sj.Tsit5()")
        check_count(self.max_iterations, "max_iterations", 1)

    @property
    def num_guess(self) -> int:
        """See `AbstractBoundaryValueMethod`."""
        return 1

    def discretise(self, equations: FlatEquations, max_steps: int) -> MatchingEquations:
        """See `AbstractBoundaryValueMethod`."""
        flow = Flow(self.method, equations, max_steps)
        return MatchingEquations(equations, flow, 1, self.max_iterations, from_start=True)
