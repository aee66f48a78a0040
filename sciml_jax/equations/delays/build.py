"""From a delay problem and a method to what the engine integrates."""

from typing import Any

import jax

from ..engine.system import System
from ..problem import ODEProblem
from .adapted import WithPast
from .delays import Delays
from .field import UndelayedField
from .system import DelaySystem, dense_shapes


def delayed(
    problem: Any, method: Any, saved_function: Any, t0: Any, max_steps: int | None, triggers: tuple
) -> tuple[Any, WithPast, DelaySystem, Delays]:
    """The problem as it starts, the method that solves it, its system, and what is fixed about the delays."""
    if problem.starts_on_history:
        # Anew, so that derivatives with respect to what the history holds see it.
        like = lambda new, old: new.astype(old.dtype)
        y0 = jax.tree_util.tree_map(like, problem.before(t0), problem.y0)
        problem = replaced(problem, y0)
    ordinary = ODEProblem(UndelayedField(problem.vector_field), problem.y0, t0, problem.t1, problem.args)
    method = method.for_problem(ordinary)
    plain = System(ordinary, None, t0, method)
    piece = dense_shapes(plain, method, t0, problem.y0)
    components = plain.layout.components
    if components:
        system = DelaySystem(problem, saved_function, t0, method, True, piece, triggers=triggers)
        components = system.layout.components
    if not components:
        if plain.layout.components:
            # With its lookups the vector field is too large to be written out.
            piece = dense_shapes(System(ordinary, None, t0, method, False), method, t0, problem.y0)
        system = DelaySystem(problem, saved_function, t0, method, False, piece, triggers=triggers)
    delays = Delays(problem, method.order, max_steps)
    return problem, WithPast(method, carries_f0=not delays.jumps), system, delays


def replaced(problem: Any, y0: Any) -> Any:
    """The problem with another state at t0."""
    import equinox as eqx

    return eqx.tree_at(lambda problem: problem.y0, problem, y0)
