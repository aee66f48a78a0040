"""What the methods for parabolic equations share."""

import abc
from typing import Any, ClassVar

from ..core.method import AbstractMethod
from ..equations.keys import as_key
from .compiled import compiled
from .problem import ParabolicProblem
from .solution import BSDESolution, raise_if_failed


class AbstractBSDEMethod(AbstractMethod):
    """A method for parabolic equations; a subclass says how in `compute`, which is compiled."""

    problem_types: ClassVar = (ParabolicProblem,)
    treats_obstacles: ClassVar[bool] = False
    """Whether the method takes problems with an obstacle."""

    @abc.abstractmethod
    def compute(self, problem: ParabolicProblem, key: Any) -> BSDESolution:
        """Solve the problem; pure."""

    def check(self, problem: ParabolicProblem) -> None:
        """Refuse problems that the method cannot take."""

    def solve(self, problem: ParabolicProblem, *, key: Any = None, on_failure: str = "raise") -> BSDESolution:
        """Solve the problem; `key` is an integer seed or a PRNG key."""
        if on_failure not in ("raise", "status"):
            msg = f"`on_failure` must be 'raise' or 'return'; got {on_failure!r}. With 'return', look at `sol.status`."
            raise ValueError(msg)
        if problem.obstacle is not None and not self.treats_obstacles:
            msg = (
                f"`{self.name}` does not treat obstacles; got a problem with `obstacle`. Use `sj.bsde.DBDP1()`, or "
                "leave the obstacle out."
            )
            raise ValueError(msg)
        key = as_key(key, self.name)
        self.check(problem)
        return raise_if_failed(_compute(self, problem, key), on_failure)


@compiled
def _compute(method: AbstractBSDEMethod, problem: ParabolicProblem, key: Any) -> BSDESolution:
    return method.compute(problem, key)
