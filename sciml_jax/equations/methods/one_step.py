"""The protocol of one-step methods.

What a method must say so that the engine can run, save, batch and differentiate it.
"""

import abc
from typing import Any, ClassVar, NamedTuple

from ...core.method import AbstractMethod
from ..delays.problem import DDEProblem
from ..engine.run import run
from ..problem import ODEProblem
from ..solution import Solution


class Work(NamedTuple):
    """What a step cost, as float scalars."""

    vector_field: Any
    """Evaluations of the vector field."""
    jacobian: Any = 0.0
    """Evaluations of the Jacobian."""
    factorisation: Any = 0.0
    """Factorisations of `shift M - J`."""
    jvp: Any = 0.0
    """Products of the Jacobian with a vector, beyond those that make up the Jacobians counted above."""


class Step(NamedTuple):
    """One attempted step, everything as tuples over the state's leaves (or its components)."""

    y1: tuple
    """The state at the end of the step."""
    error: tuple | None
    """Estimate of the local error, or None for a method without one."""
    f1: tuple | None
    """The vector field at the end of the step, where the method has it at hand: the next step's first evaluation."""
    dense: Any
    """What `interpolate` needs (or what `complete` makes that of): any pytree of arrays."""
    memory: Any = None
    """For methods with a memory: what the next step gets if this one is accepted."""
    error_order: Any = None
    """The error estimate behaves as h^error_order, where that varies from step to step."""
    retry: Any = None
    """For methods with a memory: what the next attempt gets if this one is rejected; None keeps the memory."""
    stiffness: Any = None
    """An estimate of `h rho`, the step times the spectral radius of the Jacobian, where it is cheap."""
    work: Work | None = None
    """What the step cost, where that varies (`counts_work`)."""
    factor: Any = None
    """The next step size over this one, for methods that choose it themselves; the controller keeps its bounds. NaN
    where the controller is to choose."""
    scratch: Any = None
    """What the next attempt may use, whether this one is accepted or not (`carries_scratch`)."""
    unsolved: Any = None
    """Whether an implicit equation was not solved: the attempt is rejected, and if the size cannot shrink any further
    the status is `SINGULAR`."""


class AbstractOneStepMethod(AbstractMethod):
    """A method that advances `y` over one step from `y` alone.

    States are tuples of arrays: the leaves of the user's pytree, or scalars where the engine holds a small state as
    components. A step is written as explicit linear combinations over those tuples, in plain JAX operations: no LAPACK
    call, no callback and no `error_if`, which would keep XLA:CPU from compiling the loop into one function.
    """

    problem_types: ClassVar = (ODEProblem, DDEProblem)

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
    carries_memory: ClassVar[bool] = False
    """Whether steps depend on earlier ones through a memory (multistep methods), which derivatives pass through."""
    memory_restarts: ClassVar[bool] = True
    """Whether the memory begins anew after a discontinuity."""
    carries_scratch: ClassVar[bool] = False
    """Whether attempts hand on what saves work but changes nothing beyond the tolerance of inner iterations, such as a
    factorisation. It is neither recorded nor differentiated: where a step is recomputed, `system.scratch` is None."""
    solves_mass_matrix: ClassVar[bool] = False
    """Whether `M dy/dt = f` is solved, with a constant and possibly singular `M`."""
    solves_index_2: ClassVar[bool] = False
    """Whether it solves algebraic equations of index two in Hessenberg form, which others must refuse."""
    counts_work: ClassVar[bool] = False
    """Whether steps say in `Step.work` what they cost."""
    holds_components: ClassVar[bool] = True
    """Whether a small state may be held as components; False where steps are written for arrays."""
    most_components: ClassVar[int] = 8
    """For implicit methods: the largest state that may be held as components where few entries of the Jacobian differ
    from zero; more than eight only for methods without iterations, whose steps compile fast."""
    needs_split: ClassVar[bool] = False
    """Whether the vector field must be a `Split`."""

    evaluates_inside: ClassVar[bool] = True
    """Whether all nodes lie within the step, so that it can be kept on its side of a discontinuity."""
    needs_noise_term: ClassVar[bool] = False
    """For stochastic methods: whether steps use `system.noise.diffusion_and_term`."""

    def for_problem(self, problem: Any) -> "AbstractOneStepMethod":
        """The method that solves this problem: itself, unless it is one that chooses by the problem."""
        del problem
        return self

    def subproblems(self, problem: Any) -> dict[str, tuple[Any, "AbstractOneStepMethod"]]:
        """Problems that steps solve apart, each with the method whose steps it takes: `system.part(name)` in `step`.

        They share the problem's state; in place of a method that solves them, `self` stands for evaluations alone.
        """
        del problem
        return {}

    def functions(self) -> tuple:
        """The user's functions that the method holds; what they read from outside is part of the program."""
        return ()

    def begin(self, system: Any, t0: Any, y0: tuple) -> Any:
        """The memory before the first step and after a discontinuity: a pytree of float arrays."""
        raise NotImplementedError

    def begin_scratch(self, system: Any, t0: Any, y0: tuple) -> Any:
        """The scratch of the first attempt, a pytree of arrays whose shapes and dtypes stay."""
        raise NotImplementedError

    @abc.abstractmethod
    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`.

        `system.vector_field(t, y)` evaluates the right-hand side; `f0` is its value at `(ta, y)` where known, or the
        memory of a method that has one. Must be differentiable in `ta`, `tb`, `y`, the memory and what the system
        holds.
        """

    def complete(self, system: Any, ta: Any, tb: Any, dense: Any) -> Any:
        """What `interpolate` needs, from `Step.dense`: extra evaluations, made only where something is saved inside."""
        del system, ta, tb
        return dense

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
        events: Any = (),
    ) -> Solution:
        """Solve an initial value problem; see `sj.solve` for the options. `key` is not needed and not used."""
        del key
        return run(problem, self, saveat, rtol, atol, dt0, max_steps, controller, adjoint, on_failure, events)
