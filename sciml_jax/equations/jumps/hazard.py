"""Jumps on top of a differential equation, placed where the integrated hazard reaches an exponential number."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ...core.checks import check_instance
from ...core.method import AbstractMethod
from ..events import Event
from ..keys import as_key
from ..methods.one_step import AbstractOneStepMethod
from ..noise import SDEProblem
from ..options import DEFAULT_STEPS
from ..problem import ODEProblem
from ..saveat import as_saveat
from ..solution import Solution
from .hazard_events import JumpEvent, events_of_user
from .hazard_parts import (
    AllParts,
    HazardAffect,
    HazardDiffusion,
    HazardField,
    Left,
    Observed,
    PartOfState,
    extended_tolerance,
    hazard_words,
)
from .problem import JumpProblem


class IntegratedHazard(AbstractMethod):
    """Integrate `base` and the sum of the rates together; a jump happens where the integral reaches `-log U`.

    With `L` the integral of the sum of the rates since the last jump, the next one comes at `L = E`, an exponential
    number: exact in distribution up to the error of the integration, whatever the rates do between jumps. The jump is
    an `sj.Event`; the reaction is drawn by its share of the sum there. Rates may depend on time; without `base` the
    state rests between jumps.

    Differentiable: for a key the exponential numbers and the draws of reactions are fixed, and derivatives contain that
    jumps move with the parameters (as those of any event). They leave out that another reaction might have been drawn:
    the derivative of an expectation is their mean only where a single reaction jumps by a fixed amount. A path that
    loses or gains a jump before `t1` changes by a leap, which no derivative of a path sees.

    Cost: that of the integration with an event, some steps for every jump: for problems whose jumps are rarer than the
    steps of the equation, or comparable. Not for pure jump processes: `sj.Gillespie` is a thousand times faster.

    `events` act beside the jumps (doses, divisions, ends): they change the state, and with it the rates, but not what
    is left of the hazard until the next jump.

    Parameters
    ----------
    method
        The method that integrates: a one-step method, for `SDEProblem` one for noise. None: `sj.Tsit5()`, and the
        problem's default for noise.
    max_jumps
        Length of the log of jumps, `sol.events[0]`: times, states before the jump, and their number; one jump more ends
        the solve with `Status.ZENO`. None keeps no log and has no bound.

    References
    ----------
    Davis, Piecewise-deterministic Markov processes, Journal of the Royal Statistical Society B 46 (1984).
    """

    problem_types: ClassVar = (JumpProblem,)

    method: Any = eqx.field(static=True, default=None)
    max_jumps: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.method is not None:
            check_instance(self.method, AbstractOneStepMethod, "method", "sj.Tsit5()")

    def solve(
        self,
        problem: JumpProblem,
        *,
        saveat: Any = None,
        rtol: Any = None,
        atol: Any = None,
        dt0: Any = None,
        max_steps: int | None = DEFAULT_STEPS,
        controller: Any = None,
        adjoint: Any = None,
        key: Any = None,
        on_failure: str = "raise",
        events: Any = (),
    ) -> Solution:
        """Solve; see `sj.solve` for the options, of which `key` is required. The jumps' steps count in `max_steps`.

        `events` act beside the jumps: `sol.events[0]` are the jumps, `sol.events[1]` is the first of the list.
        """
        key = as_key(key, self.name)
        problem = eqx.tree_at(lambda p: p.args, problem, _as_arrays(problem.args), is_leaf=lambda x: x is None)
        words = hazard_words(key)
        extended, inner = self._extended(problem, words)
        saveat = as_saveat(saveat)
        fn = PartOfState() if saveat.fn is None else Observed(saveat.fn)
        saveat = eqx.tree_at(lambda s: s.fn, saveat, fn, is_leaf=lambda leaf: leaf is None)
        affect = HazardAffect(problem.rates, problem.affect, words, problem.changes)
        jump = JumpEvent(Event(Left(), affect, direction=-1, max_triggers=self.max_jumps, observe=PartOfState()))
        options = {"controller": controller, "adjoint": adjoint, "max_steps": max_steps, "on_failure": on_failure}
        solution = inner.solve(
            extended,
            saveat=saveat,
            rtol=extended_tolerance(rtol, problem.y0),
            atol=extended_tolerance(atol, problem.y0),
            dt0=dt0,
            key=jax.random.fold_in(key, 1),
            events=[jump, *events_of_user(events, self._between(problem))],
            **options,
        )
        dense = None if solution.dense is None else DenseState(solution.dense)
        replaced = lambda s: (s.y1, s.dense)
        return eqx.tree_at(replaced, solution, (solution.y1["y"], dense), is_leaf=lambda leaf: leaf is None)

    def _between(self, problem: JumpProblem) -> ODEProblem:
        """The equation that the user's state follows between jumps, without noise."""
        base = problem.base
        field = _at_rest if base is None else base.vector_field
        args = problem.args if base is None or base.args is None else base.args
        return ODEProblem(field, problem.y0, problem.t0, problem.t1, args)

    def _extended(self, problem: JumpProblem, words: Any) -> tuple[Any, Any]:
        """The equation of the state with what is left until the next jump, and the method for it."""
        base, dtype = problem.base, _real_dtype(problem.y0)
        first = AllParts(words).exponential(jnp.zeros((), dtype))
        y0 = {"count": jnp.zeros((), dtype), "left": first, "y": problem.y0}
        base_args = None if base is None else base.args
        own = base is not None and base_args is not None
        times = (problem.t0, problem.t1, problem.args)
        if isinstance(base, SDEProblem):
            drift = HazardField(base.drift, base_args, own, problem.rates)
            diffusion = HazardDiffusion(base.diffusion, base_args, own, base.noise)
            kinds = {"noise": base.noise, "interpretation": base.interpretation}
            extended = SDEProblem(drift, diffusion, y0, *times, **kinds)
            return extended, self.method or extended.default_method()
        field = None if base is None else base.vector_field
        extended = ODEProblem(HazardField(field, base_args, own, problem.rates), y0, *times)
        from ..methods.tsit5 import Tsit5

        return extended, self.method or Tsit5()


class DenseState(eqx.Module):
    """The user's part of a dense output."""

    dense: Any

    def evaluate(self, t: Any) -> PyTree:
        """The state at one time."""
        return self.dense.evaluate(t)["y"]


def _at_rest(t: Any, y: PyTree, args: PyTree) -> PyTree:
    """The vector field of a state that rests."""
    del t, args
    return jax.tree_util.tree_map(jnp.zeros_like, y)


def _as_arrays(args: Any) -> Any:
    """Python floats as arrays, which every function of the problem is to see."""
    return jax.tree_util.tree_map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, float) else leaf, args)


def _real_dtype(y0: Any) -> Any:
    leaves = jax.tree_util.tree_leaves(y0)
    return jnp.result_type(*[leaf.dtype for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)] or [float])
