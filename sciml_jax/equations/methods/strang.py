"""Strang's splitting of order 2."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp

from ...core.checks import check_instance
from ..engine.run import check_capabilities
from ..problem import ODEProblem
from ..split import Linear
from .heun import Heun
from .one_step import AbstractOneStepMethod, Step, Work
from .operator_functions import checked_split, functions_of
from .rodas5p import Rodas5P


class Strang(AbstractOneStepMethod):
    """Strang splitting: half a step of the implicit part, a step of the explicit one, half a step of the implicit one.

        y1 = Phi_implicit(h/2) Phi_explicit(h) Phi_implicit(h/2) y

    Order 2 where both parts are solved with order 2 or more. Each part is solved by a method that suits it and sees a
    simple problem: reaction at every point for itself, diffusion as a linear system. Positivity, mass and the like are
    kept where the parts' methods keep them. The vector field must be `sj.Split(explicit, implicit)`.

    For crude accuracy (`rtol` of 1e-2 to 1e-4), for parts that have their own good methods, and where the parts'
    invariants matter. For smooth problems with a linear stiff part `sj.ETDRK4` is far more accurate. Where the parts
    balance each other, steady states are off by O(h^2), and stiff parts with time-dependent boundary values lower the
    order: prefer a method that does not split (`sj.Rodas5P`).

    The error estimate (h^2) is the difference to the splitting of order 1, explicit after implicit, plus the estimates
    of the parts' methods; it overestimates the error of the step, and costs as much again. The dense output is the
    parabola through both ends and a step of half the size, which is made only where something is saved.

    Parameters
    ----------
    explicit
        The method for the explicit part: a one-step method of order 2 or more.
    implicit
        That for the implicit part, such as `sj.Rodas5P()` or `sj.RKC()`. None: the exponential of `h L` where the part
        is an `sj.Linear` (cheap for a diagonal; for a matrix some 50 products of n x n matrices in each step), and
        `sj.Rodas5P()` elsewhere.

    Notes
    -----
    Without an error estimate in one of the methods, steps are fixed: give `dt0`. An adaptive step costs two
    steps of the explicit and three half steps of the implicit method, a fixed one one and two.

    References
    ----------
    Strang, On the construction and comparison of difference schemes, SIAM J. Numer. Anal. 5 (1968) 506-517.
    Hundsdorfer & Verwer, Numerical Solution of Time-Dependent Advection-Diffusion-Reaction Equations (2003), IV.
    Sportisse, An analysis of operator splitting techniques in the stiff case, J. Comput. Phys. 161 (2000) 140-168 (why
    the stiff part comes last).
    """

    explicit: Any = eqx.field(default_factory=Heun)
    implicit: Any = None

    order: ClassVar[int] = 2
    carries_f0: ClassVar[bool] = False
    counts_work: ClassVar[bool] = True
    needs_split: ClassVar[bool] = True

    def __check_init__(self):
        given: Any = {"explicit": self.explicit} | ({} if self.implicit is None else {"implicit": self.implicit})
        for name, method in given.items():
            check_instance(method, AbstractOneStepMethod, f"Strang({name}=...)", "sj.Heun()")
            if method.carries_memory or method.needs_split or ODEProblem not in method.problem_types:
                msg = (
                    f"`Strang({name}=...)` must be a one-step method for any vector field; got `{method.name}`, which "
                    "carries earlier steps along or needs a special problem. Pass, for example, `sj.Heun()`."
                )
                raise TypeError(msg)

    @property
    def name(self) -> str:
        """How messages call the method."""
        return "Strang"

    @property
    def error_order(self) -> int | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """2, or None where a part's method has no estimate."""
        given = [method for method in (self.explicit, self.implicit) if method is not None]
        return None if any(method.error_order is None for method in given) else 2

    @property
    def evaluations_per_step(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Evaluations of the explicit part in two steps and of the implicit one in three."""
        solved = 0 if self.implicit is None else 3 * self.implicit.evaluations_per_step
        return 2 * self.explicit.evaluations_per_step + solved

    @property
    def holds_components(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether both parts' methods can take them."""
        return all(method is None or method.holds_components for method in (self.explicit, self.implicit))

    def for_problem(self, problem: Any) -> AbstractOneStepMethod:
        """The pair of methods that solves both parts."""
        part, implicit = checked_split(problem, self.name).implicit, self.implicit
        if implicit is None and isinstance(part, Linear):
            implicit = _Exponential(functions_of(part, problem, self.name))
        return Strang(self.explicit, Rodas5P() if implicit is None else implicit)

    def subproblems(self, problem: Any) -> dict:
        """Both parts with their methods."""
        field = checked_split(problem, self.name)
        given = {"explicit": (field.explicit, self.explicit), "implicit": (field.implicit, self.implicit)}
        found = {}
        for name, (part, method) in given.items():
            subproblem = ODEProblem(part, problem.y0, problem.t0, problem.t1, problem.args)
            check_capabilities(subproblem, method)
            found[name] = subproblem, method
        return found

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: two steps of the explicit, three half steps of the implicit method."""
        del f0
        middle = ta + 0.5 * (tb - ta)
        before, across, after = self._steps(system, ta, tb, y)
        error = None
        if self.error_order is not None and not system.has_fixed_steps:
            # Explicit after implicit, sharing the first half step.
            whole = self._solve(system, "implicit", middle, tb, before.y1)
            other = self._solve(system, "explicit", ta, tb, whole.y1)
            gap = tuple(a - b for a, b in zip(after.y1, other.y1, strict=True))
            estimates: Any = (gap, before.error, across.error, after.error)
            # Sizes, lest they cancel.
            sizes = [tuple(jnp.abs(leaf) for leaf in estimate) for estimate in estimates]
            error = tuple(sum(parts) for parts in zip(*sizes, strict=True))
        failed = [step.unsolved for step in (before, across, after) if step.unsolved is not None]
        unsolved = jnp.any(jnp.stack(failed)) if failed else None
        work = self._work(ta, 1 if error is None else 2)
        return Step(after.y1, error, None, (y, after.y1), work=work, unsolved=unsolved)

    def complete(self, system: Any, ta: Any, tb: Any, dense: Any) -> Any:
        """The state in the middle, too, by a step of half the size."""
        y, y1 = dense
        return y, self._steps(system, ta, ta + 0.5 * (tb - ta), y)[-1].y1, y1

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """The parabola through three states; its error behaves as h^3, that of the method as h^2."""
        weights = 1 - fraction, 4 * fraction * (1 - fraction), fraction * (2 * fraction - 1)
        y, middle, y1 = dense
        return tuple(
            a + _like(weights[1], a) * (m - a) + _like(weights[2], a) * (b - a)
            for a, m, b in zip(y, middle, y1, strict=True)
        )

    def _work(self, like: Any, repeats: int) -> Work:
        """What one step of the explicit method and two of the implicit one cost, or two and three."""
        pairs = (self.explicit, repeats), (self.implicit, repeats + 1)
        evaluations = sum(count * method.evaluations_per_step for method, count in pairs)
        jacobians = sum(count for method, count in pairs if method.is_implicit)
        zero = jnp.zeros_like(like)
        return Work(zero + evaluations, zero + jacobians, zero + jacobians, zero)

    def _steps(self, system: Any, ta: Any, tb: Any, y: tuple) -> tuple[Step, Step, Step]:
        middle = ta + 0.5 * (tb - ta)
        before = self._solve(system, "implicit", ta, middle, y)
        across = self._solve(system, "explicit", ta, tb, before.y1)
        return before, across, self._solve(system, "implicit", middle, tb, across.y1)

    def _solve(self, system: Any, name: str, ta: Any, tb: Any, y: tuple) -> Step:
        return getattr(self, name).step(system.part(name), ta, tb, y, None)


class _Exponential(AbstractOneStepMethod):
    """The exact solution of a linear part, `e^(hL) y`."""

    linear: Any

    order: ClassVar[int] = 2
    error_order: ClassVar[int | None] = 2
    evaluations_per_step: ClassVar[int] = 1
    holds_components: ClassVar[bool] = False

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """The solution at `tb`; cost: one function of `h L`."""
        del f0
        flow = self.linear.exponential(tb - ta, self.linear.operator(system, ta, y))
        return Step(self.linear.apply(flow, y), tuple(jnp.zeros_like(leaf) for leaf in y), None, ())

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """Not used by `Strang`."""
        raise NotImplementedError


def _like(weight: Any, leaf: Any) -> Any:
    return weight.astype(leaf.real.dtype) if hasattr(weight, "astype") else weight
