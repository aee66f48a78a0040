"""The protocol of one-step methods.

What a method must say so that the engine can run, save, batch and differentiate it.
"""

import abc
from typing import Any, ClassVar, NamedTuple

from ...core.method import AbstractMethod
from ..engine.run import run
from ..problem import ODEProblem
from ..solution import Solution


class Step(NamedTuple):
    """One attempted step, everything as tuples over the state's leaves (or its components)."""

    y1: tuple
    """The state at the end of the step."""
    error: tuple | None
    """Estimate of the local error, or None for a method without one."""
    f1: tuple | None
    """The vector field at the end of the step, where the method has it at hand: the next step's first evaluation."""
    dense: Any
    """What `interpolate` needs: any pytree of arrays."""


class AbstractOneStepMethod(AbstractMethod):
    """A method that advances `y` over one step from `y` alone.

    States are tuples of arrays: the leaves of the user's pytree, or scalars where the engine holds a small state as
    components. A step is written as explicit linear combinations over those tuples, in plain JAX operations: no LAPACK
    call, no callback and no `error_if`, which would keep XLA:CPU from compiling the loop into one function.
    """

    problem_types: ClassVar = (ODEProblem,)

    order: ClassVar[int]
    """Order of the solution: the global error behaves as h^order."""
    error_order: ClassVar[int | None]
    """The error estimate behaves as h^error_order; None for a method without an estimate."""
    is_implicit: ClassVar[bool] = False
    """Whether a step solves linear systems with the Jacobian."""
    evaluations_per_step: ClassVar[int]
    """Evaluations of the vector field in one attempted step."""
    carries_f0: ClassVar[bool] = True
    """Whether `Step.f1` is given and handed on to the next step as `f0`."""

    @abc.abstractmethod
    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`.

        `system.vector_field(t, y)` evaluates the right-hand side; `f0` is its value at `(ta, y)` where known. Must be
        differentiable in `ta`, `tb`, `y` and what the system holds.
        """

    @abc.abstractmethod
    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """The state at `ta + fraction * (tb - ta)`, for a fraction in [0, 1]; exact at 0, and at 1 to rounding."""

    def solve(
        self,
        problem: ODEProblem,
        *,
        saveat: Any = None,
        rtol: Any = None,
        atol: Any = None,
        dt0: Any = None,
        max_steps: int | None = 4096,
        controller: Any = None,
        adjoint: Any = None,
        key: Any = None,
        on_failure: str = "raise",
    ) -> Solution:
        """Solve an initial value problem; see `sj.solve` for the options. `key` is not needed and not used."""
        del key
        return run(problem, self, saveat, rtol, atol, dt0, max_steps, controller, adjoint, on_failure)
