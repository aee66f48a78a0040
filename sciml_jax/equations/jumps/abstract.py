"""The protocol of methods for jump problems."""

import abc
from typing import Any, ClassVar

from ...core.method import AbstractMethod
from ..options import DEFAULT_STEPS
from ..solution import Solution
from .loop import Attempt, Operands, Place, Plan
from .problem import JumpProblem
from .run import run


class AbstractJumpMethod(AbstractMethod):
    """A method that moves a path from event to event (or over many events at once).

    Methods are written for one lane in plain JAX operations. What they draw comes from `place.words` (`random_words`),
    so that a whole simulation is one kernel.
    """

    problem_types: ClassVar = (JumpProblem,)

    is_exact: ClassVar[bool] = True
    """Whether it asks for rates that do not change between jumps, or for a bound of them."""
    takes_affect: ClassVar[bool] = True
    """Whether a problem may describe its jumps by `affect`."""
    holds_components: ClassVar[bool] = True
    """Whether a small network may be held number by number."""
    needs_slopes: ClassVar[bool] = False
    """Whether it looks at derivatives of the rates."""

    needs_dependents: ClassVar[bool] = False
    """Whether it evaluates the rates that a reaction changes by themselves."""
    takes_time: ClassVar[bool] = True
    """Whether rates may depend on time (exact methods also ask for a bound of them)."""
    lane_by_lane: ClassVar[bool] = False
    """Whether lanes run one after the other on the CPU, because each touches other places of large arrays."""

    def begin(self, plan: Plan, operands: Operands) -> Any:
        """What the method keeps between steps, before the first one: a pytree of arrays, or None."""
        del plan, operands

    def thins(self, plan: Plan) -> bool:
        """Whether attempts may pass without a reaction."""
        del plan
        return False

    @abc.abstractmethod
    def advance(self, plan: Plan, operands: Operands, target: Any, place: Place) -> Attempt:
        """The next event (or leap), whether or not it lies before `target`."""

    def solve(
        self,
        problem: JumpProblem,
        *,
        saveat: Any = None,
        max_steps: int | None = DEFAULT_STEPS,
        key: Any = None,
        on_failure: str = "raise",
    ) -> Solution:
        """Simulate one path; see `sj.solve` for the options, of which `key` is required.

        Saved is the state after the last jump up to and including a save time. `max_steps` bounds the steps, by default
        ten million; 4096 with `SaveAt(steps=...)` and `SaveAt(dense=True)`, which keep every step. What was not reached
        is NaN, and in integer states the smallest integer of their dtype.
        """
        return run(problem, self, saveat, max_steps, key, on_failure)
