"""What the methods for boundary value problems share: checks, compilation, the derivative rule and the result."""

import abc
import functools
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...core.callables import captured_values, closes_over_tracer
from ...core.checks import check_instance
from ...core.method import AbstractMethod
from ...core.status import Status
from ...core.tree import Static, combine, is_inexact, partition
from ...numerics.loops import vary_like
from ..adjoints import ImplicitAdjoint
from ..options import (
    check_options,
    default_tolerances,
    pull_in_save_times,
    raise_on_failure,
    time_dtype,
)
from ..problem import ODEProblem
from ..saveat import as_saveat
from ..solution import Solution
from .equations import Fixed, FlatEquations, Operands, guess_states
from .implicit_rule import Discretisation, implicit_root
from .problem import BVProblem
from .saving import Saved


class AbstractBoundaryValueMethod(AbstractMethod):
    """A method for boundary value problems; a subclass says how the solution is found and read."""

    problem_types: ClassVar = (BVProblem,)

    @property
    @abc.abstractmethod
    def num_guess(self) -> int:
        """At how many equidistant times the guess is wanted."""

    @abc.abstractmethod
    def discretise(self, equations: FlatEquations, max_steps: int) -> Discretisation:
        """The nonlinear equations that stand for the problem."""

    @abc.abstractmethod
    def read(
        self, discretisation: Any, operands: Operands, fixed: Fixed, y: Any, outcome: Any, wanted: Saved
    ) -> tuple[Any, Any, Any, Any]:
        """Saved times and states, the state at the end, and the dense output."""

    @abc.abstractmethod
    def stats(self, discretisation: Any, outcome: Any, t1: Any) -> Any:
        """The counts."""


def check_count(value: Any, name: str, smallest: int) -> None:
    """Refuse what is not an integer of at least `smallest`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < smallest:
        msg = f"`{name}` must be an integer of at least {smallest}; got {value!r}. Pass, for example, `{name}=64`."
        raise ValueError(msg)


def solve_boundary_value(
    problem: BVProblem,
    method: AbstractBoundaryValueMethod,
    saveat: Any,
    rtol: Any,
    atol: Any,
    adjoint: Any,
    on_failure: str,
    dt0: Any = None,
    max_steps: int = 4096,
) -> Solution:
    """Check, compile once, run, and report failure on the host."""
    saveat = as_saveat(saveat)
    if saveat.steps is not None:
        msg = (
            f"`SaveAt(steps=...)` counts the steps of an integration; `{method.name}` has none. Pass `ts=...`, or "
            "`dense=True` and evaluate `sol(t)`."
        )
        raise ValueError(msg)
    adjoint = ImplicitAdjoint() if adjoint is None else adjoint
    check_instance(adjoint, ImplicitAdjoint, "adjoint", "sj.ImplicitAdjoint()")
    if max_steps is None:
        msg = "The integrations of a search need a bound; got `max_steps=None`. Pass a number, such as 4096."
        raise ValueError(msg)
    for value, name in ((rtol, "rtol"), (atol, "atol")):
        if len(jax.tree_util.tree_leaves(value)) > 1 or np.ndim(value) > 0:
            msg = f"`{name}` of a boundary value problem must be one number; got {value!r}. Pass the smallest."
            raise ValueError(msg)
    initial = _initial_value_problem(problem)
    check_options(initial, saveat, rtol, atol, dt0, max_steps, None, on_failure)
    dynamic, static = partition((problem, saveat, rtol, atol, dt0))
    functions = (problem.vector_field, problem.boundary, problem.y_guess, saveat.fn)
    config = Static((static, method, max_steps, captured_values(*functions)))
    if closes_over_tracer(*functions):
        # The shared cache would keep the functions, and with them the outer trace, alive; and it could never hit.
        solution = jax.jit(functools.partial(_run, config))(dynamic)
    else:
        solution = _compiled(config, dynamic)
    if on_failure == "raise":
        raise_on_failure(solution)
    return solution


def _initial_value_problem(problem: BVProblem) -> ODEProblem:
    """The problem as the shared checks know it, its state at `t0` the guess."""
    return ODEProblem(
        problem.vector_field, problem.y_guess(jnp.asarray(problem.t0)), problem.t0, problem.t1, problem.args
    )


def _run(config: Static, dynamic: Any) -> Solution:
    static, method, max_steps, _ = config.tree
    # Inside shard_map everything varies over every axis that anything varies over.
    dynamic = vary_like(dynamic, dynamic)
    problem, saveat, rtol, atol, dt0 = combine(dynamic, static)
    initial = _initial_value_problem(problem)
    dtype = time_dtype(initial)
    t0, t1 = (vary_like(jnp.asarray(t, dtype), dynamic) for t in (problem.t0, problem.t1))
    equations = FlatEquations(problem, t0)
    guess = guess_states(problem, equations, t0, t1, method.num_guess)
    tolerances = zip((rtol, atol), default_tolerances(initial.y0), strict=True)
    rtol, atol = (jnp.asarray(default if given is None else given, guess.dtype) for given, default in tolerances)
    field, boundary, field_consts, boundary_consts = equations.release()
    operands = Operands(t0, t1, field, boundary)
    first = None if dt0 is None else jnp.asarray(dt0, dtype)
    fixed = Fixed(field_consts, boundary_consts, guess, *lax.stop_gradient((rtol, atol, first)))
    operands, fixed = vary_like((operands, fixed), operands, fixed)
    discretisation = method.discretise(equations, max_steps)
    y, outcome = implicit_root(discretisation)(operands, fixed)
    save_ts, bad = (None, False) if saveat.ts is None else pull_in_save_times(saveat.ts.astype(dtype), t0, t1)
    bad = bad | ~(jnp.isfinite(t0) & jnp.isfinite(t1) & (t0 != t1)) | ~((rtol >= 0) & (atol >= 0))
    status = jnp.where(bad, jnp.int32(Status.BAD_INPUT), outcome.found.status.astype(jnp.int32))
    wanted = Saved(problem, saveat, save_ts, t0, t1)
    ts, ys, y1, dense = method.read(discretisation, operands, fixed, y, outcome, wanted)
    ys, y1 = where_found(status, (ys, y1))
    if dense is not None:
        # Outside everything, so that it evaluates to NaN.
        dense = eqx.tree_at(lambda dense: dense.nodes, dense, where_found(status, dense.nodes))
    return Solution(ts=ts, ys=ys, y1=y1, status=status, stats=method.stats(discretisation, outcome, t1), dense=dense)


def where_found(status: Any, tree: Any) -> Any:
    """The tree where the search succeeded, and NaN where it did not."""
    mask = lambda leaf: jnp.where(status == Status.SUCCESS, leaf, jnp.nan) if is_inexact(leaf) else leaf
    return jax.tree_util.tree_map(mask, tree)


_compiled = jax.jit(_run, static_argnums=0)
