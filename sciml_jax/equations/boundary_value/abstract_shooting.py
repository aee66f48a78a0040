"""What shooting methods share: their options, and results read from the integrations between the matching points."""

from typing import Any

from ..solution import Solution, Stats
from .common import AbstractBoundaryValueMethod, solve_boundary_value
from .equations import Fixed, Operands
from .problem import BVProblem
from .saving import Saved


class AbstractShooting(AbstractBoundaryValueMethod):
    """A method that integrates between points and matches what arrives; a subclass says how many points."""

    def solve(
        self,
        problem: BVProblem,
        *,
        saveat: Any = None,
        rtol: Any = None,
        atol: Any = None,
        dt0: Any = None,
        max_steps: int = 4096,
        adjoint: Any = None,
        key: Any = None,
        on_failure: str = "raise",
    ) -> Solution:
        """Solve a boundary value problem; see `sj.solve`. `dt0` and `max_steps` are those of each integration."""
        del key
        return solve_boundary_value(problem, self, saveat, rtol, atol, adjoint, on_failure, dt0, max_steps)

    def read(
        self, discretisation: Any, operands: Operands, fixed: Fixed, y: Any, outcome: Any, wanted: Saved
    ) -> tuple[Any, Any, Any, Any]:
        """See `AbstractBoundaryValueMethod`."""
        del outcome
        return discretisation.read(operands, fixed, y, wanted)

    def stats(self, discretisation: Any, outcome: Any, t1: Any) -> Stats:
        """See `AbstractBoundaryValueMethod`."""
        return discretisation.stats(outcome, t1)
