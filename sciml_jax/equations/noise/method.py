"""What methods for stochastic problems share."""

import inspect
from typing import Any, ClassVar

import equinox as eqx

from ...numerics.counter_normals import key_words
from ..controllers import FixedStep, PIDController
from ..keys import as_key
from ..methods.one_step import AbstractOneStepMethod
from ..saveat import as_saveat
from ..solution import Solution
from .conversion import ConvertedDrift
from .fresh_increments import check_path
from .problem import SDEProblem
from .times import stepping_on, without_time_derivatives

RTOL, ATOL = 1e-3, 1e-6
"""Default tolerances: paths are rough, and each digit costs several times the steps that it costs elsewhere."""


class AbstractNoiseMethod(AbstractOneStepMethod):
    """A one-step method for `SDEProblem`, whose `step` finds the noise in `system.noise` (`engine/noise.py`).

    The step must be a function of the increments between its ends: a step that is repeated with another size, or
    recomputed for derivatives, finds itself on the same path. Save times are stepped on, because the order between the
    steps is that of the path; `interpolate` is a straight line, which dense output (`SaveAt(dense=True)`) consists of:
    an error of the order of the root of the step size.
    """

    problem_types: ClassVar = (SDEProblem,)
    carries_f0: ClassVar[bool] = False

    noises: ClassVar[tuple[str, ...]]
    """The kinds of noise that the method solves; "additive" alone stands for that with a matrix too."""
    interpretations: ClassVar[tuple[str, ...]] = ("ito",)
    """What the method's own scheme solves; from others the drift is converted."""
    needs_noise_term: ClassVar[bool] = False
    """Whether steps use `system.noise.diffusion_and_term`."""
    order: ClassVar[Any]
    """The strong order."""
    weak_order: ClassVar[float]
    """The order in which expectations converge."""

    def solve(
        self, problem: SDEProblem, *, key: Any = None, saveat: Any = None, path: Any = None, **options: Any
    ) -> Solution:
        """Solve on the Brownian path of `key`; see `sj.solve` for the options.

        `rtol` and `atol` are 1e-3 and 1e-6 by default. `path=sj.FreshIncrements()` draws increments step by step.
        """
        check_path(path)
        problem, saveat = without_time_derivatives(self.on_path(problem, key), as_saveat(saveat))
        given = {name: options.pop(name, None) for name in ("rtol", "atol", "controller", "dt0")}
        options |= self.with_defaults(problem, saveat.ts, **given)
        if path is not None:
            words = path.words(problem.words, options["controller"], options.get("events", ()))
            problem = problem.with_words(words)
        # The protocol speaks of ordinary equations; the engine asks a problem for what it needs.
        stated: Any = problem
        return super().solve(stated, saveat=saveat, **options)

    def with_defaults(self, problem: SDEProblem, ts: Any, rtol: Any, atol: Any, controller: Any, dt0: Any) -> dict:
        """The options with the defaults of stochastic methods, and a controller whose steps suit the path."""
        if controller is None:
            controller = FixedStep() if self.error_order is None else PIDController()
        controller = stepping_on(problem, controller, ts, dt0)
        rtol, atol = RTOL if rtol is None else rtol, ATOL if atol is None else atol
        return {"rtol": rtol, "atol": atol, "controller": controller, "dt0": dt0}

    def on_path(self, problem: SDEProblem, key: Any) -> SDEProblem:
        """The problem with its Brownian path, in the interpretation of the method."""
        if problem.noise not in self.noises:
            raise ValueError(_refusal(self, problem.noise))
        if problem.words is None:
            problem = problem.with_words(key_words(as_key(key, self.name)))
        # Without dependence on the state both interpretations agree.
        if problem.noise == "additive" or problem.interpretation in self.interpretations:
            return problem
        share = 0.5 if self.interpretations == ("ito",) else -0.5
        drift = ConvertedDrift(problem.drift, problem.diffusion, share, problem.noise)
        return eqx.tree_at(lambda p: p.drift, problem, drift)

    def declared_options(self) -> frozenset[str]:
        """Those of every one-step method, and `path`."""
        parameters = inspect.signature(AbstractOneStepMethod.solve).parameters.values()
        return frozenset(p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY) | {"path"}

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """A straight line between the ends of the step."""
        y, y1 = dense
        leaves = []
        for start, end in zip(y, y1, strict=True):
            s = fraction.astype(start.real.dtype) if hasattr(fraction, "astype") else fraction
            leaves.append((1 - s) * start + s * end)
        return tuple(leaves)


def _refusal(method: AbstractNoiseMethod, noise: str) -> str:
    kinds = " or ".join(repr(kind) for kind in method.noises)
    fix = {
        "general": "Choose `sj.EulerMaruyama()`, `sj.DRI1()`, `sj.ImplicitEulerMaruyama()` or `sj.StochasticHeun()`",
        "additive": "Choose `sj.SOSRA()`, or state the problem with `noise='diagonal'`",
    }.get(noise, "Choose `sj.SOSRI()`, `sj.SRIW1()` or `sj.Milstein()`")
    if method.noises == ("additive",):
        fix += "; if the diffusion does not depend on `y`, state the problem with `noise='additive'`"
    return f"`{method.name}` solves problems with {kinds} noise; got noise={noise!r}. {fix}."
