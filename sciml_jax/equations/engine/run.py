"""From a problem and options to a `Solution`: check, compile once, run, report failure on the host."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from ...core.callables import captured_values, closes_over_tracer
from ...core.checks import check_instance
from ...core.status import Status
from ...core.tree import Static, combine, partition
from ...numerics.loops import vary_like
from ...numerics.one_kernel import one_kernel
from ..adjoints import AbstractAdjoint, default_adjoint
from ..delays.build import delayed
from ..events.changing_args import extended, find_changing, restored
from ..events.triggers import Triggers
from ..mass_matrix import as_mass_matrix
from ..options import check_options, pull_in_save_times, raise_on_failure
from ..saveat import as_saveat
from ..solution import DenseOutput, Solution, Stats
from .capabilities import (
    check_adjoint,
    check_capabilities,
    check_delays,
    check_events,
    checked_controller,
    verify_sparsity,
)
from .event_start import at_start, with_first
from .inputs import as_triggers, event_settings, step_sizes, stops, times, tolerances
from .operands import Operands, Settings
from .plan import Plan
from .system import System
from .whole import take_apart


def run(
    problem: Any,
    method: Any,
    saveat: Any,
    rtol: Any,
    atol: Any,
    dt0: Any,
    max_steps: int | None,
    controller: Any,
    adjoint: Any,
    on_failure: str,
    events: Any = (),
) -> Solution:
    """Solve with a one-step method of the native engine."""
    saveat = as_saveat(saveat)
    controller = checked_controller(method, controller, dt0)
    check_options(problem, saveat, rtol, atol, dt0, max_steps, controller, on_failure)
    triggers = as_triggers(events, problem)
    changing = find_changing(problem, triggers)
    check_delays(problem, adjoint, changing)
    if changing is not None:
        problem, triggers, saveat, rtol, atol = extended(changing, problem, triggers, saveat, rtol, atol)
    if adjoint is not None:
        check_instance(adjoint, AbstractAdjoint, "adjoint", "sj.Replay()")
        check_adjoint(problem, adjoint)
    check_capabilities(problem, method)
    check_events(problem, adjoint, triggers)
    verify_sparsity(problem, method)
    arguments = (problem, saveat, controller, rtol, atol, dt0, adjoint, triggers)
    solution = call_compiled(_run, _compiled, arguments, method, max_steps)
    if changing is not None:
        solution = restored(solution)
    if on_failure == "raise":
        raise_on_failure(solution, problem)
    return solution


def call_compiled(function: Any, cached: Any, arguments: tuple, method: Any, max_steps: int | None) -> Any:
    """`function(config, dynamic)` compiled, on the two halves of its arguments.

    Those are `(problem, saveat, controller, rtol, atol, dt0, adjoint, triggers)`; the last two may be absent.

    `cached` is its `jax.jit`, static in `config`: everything that decides the program, as a key.
    """
    problem, saveat = arguments[:2]
    problem = eqx.tree_at(lambda p: p.y0, problem, jax.tree_util.tree_map(jnp.asarray, problem.y0))
    if problem.mass_matrix is not None:
        # Before tracing, where its zeros may still be known.
        mass = as_mass_matrix(problem.mass_matrix, problem.y0)
        problem = eqx.tree_at(lambda p: p.mass_matrix, problem, mass)
    dynamic, static = partition((problem, *arguments[1:]))
    triggers = arguments[7] if len(arguments) > 7 else ()
    diffusion = getattr(problem, "diffusion", None)
    functions = (problem.vector_field, problem.jacobian, diffusion, saveat.fn, *method.functions())
    functions += problem.functions() if hasattr(problem, "lags") else ()
    functions += tuple(function for trigger in triggers for function in trigger.functions())
    config = Static((static, method, max_steps, captured_values(*functions)))
    if closes_over_tracer(*functions):
        # The shared cache would keep the function, and with it the outer trace, alive; and it could never hit.
        return jax.jit(functools.partial(function, config))(dynamic)
    return cached(config, dynamic)


def _run(config: Static, dynamic: Any) -> Solution:
    plan, operands, settings, saveat = prepare(config, dynamic)
    first: tuple = ()
    if plan.has_events:
        operands, first = at_start(plan, operands, settings)
    adjoint = combine(dynamic, config.tree[0])[6]
    if adjoint is None:
        adjoint = default_adjoint(operands.y0, plan.max_steps, plan.delays is not None)
    outputs, info = adjoint.whole_integration(plan)(operands, settings)
    return _solution(plan, saveat, operands, settings, outputs, info, first)


def prepare(config: Static, dynamic: Any) -> tuple[Plan, Operands, Settings, Any]:
    """The static plan of an integration and the arrays that go into it, from the two halves of `run`'s arguments."""
    static, method, max_steps, _ = config.tree
    # Inside shard_map everything varies over every axis that anything varies over: a parameter that did not would get a
    # collective into each step of the reverse loop.
    dynamic = vary_like(dynamic, dynamic)
    problem, saveat, controller, rtol, atol, dt0, *rest = combine(dynamic, static)
    triggers = rest[1] if len(rest) > 1 else ()
    if hasattr(problem, "at_consistent_start"):
        problem = problem.at_consistent_start()
    t0, t1, save_ts = times(problem, saveat)
    delays = None
    if hasattr(problem, "lags"):
        problem, method, system, delays = delayed(problem, method, saveat.fn, t0, max_steps, triggers)
    else:
        method = method.for_problem(problem)
        system = System(problem, saveat.fn, t0, method, triggers=triggers)
    tstops, bad_stops = stops(problem, controller, t0, t1, triggers)
    plan = Plan(
        method,
        system,
        controller_is_adaptive=controller.is_adaptive,
        needs_guess=controller.is_adaptive and dt0 is None,
        max_steps=max_steps,
        num_save=0 if saveat.ts is None else save_ts.shape[0],
        save_every=saveat.steps,
        dense=saveat.dense,
        has_stops=tstops is not None,
        delays=delays,
    )
    y0 = tuple(jax.tree_util.tree_leaves(problem.y0))
    save_ts, bad_times = pull_in_save_times(save_ts, t0, t1)
    rtol, atol, bad_tolerance = tolerances(rtol, atol, problem.y0, system.layout)
    (first_step, dtmin, dtmax), bad_sizes = step_sizes(controller, dt0, t0)
    bad = bad_times | bad_tolerance | bad_sizes | bad_stops
    if system.brownian is not None:
        bad = bad | (t1 < t0)
    theta, consts = system.release()
    operands = Operands(y0, t0, t1, theta, save_ts, tstops)
    events = event_settings(triggers, t0) if triggers else None
    settings = Settings(consts, rtol, atol, first_step, dtmin, dtmax, controller, bad, events)
    operands, settings = _arrays((operands, settings))
    operands, settings = vary_like((operands, settings), operands, settings)
    return plan, operands, lax.stop_gradient(settings), saveat


_compiled = jax.jit(_run, static_argnums=0)


def _solution(plan, saveat, operands, settings, outputs, info, first) -> Solution:
    def assemble(*arrays: Any) -> Any:
        return _assemble(plan, saveat, *arrays)

    assembled = one_kernel(assemble) if saveat.fn is None else assemble
    ts, ys, y1, ends = assembled(operands, settings, outputs, info)
    stats, status = one_kernel(functools.partial(_counts, plan))(lax.stop_gradient(info))
    dense = None
    if saveat.dense:
        starts, stops = ends
        interpolating = plan.method
        if plan.delays is not None:
            # The pieces themselves know how their ends move.
            (starts, stops), interpolating = lax.stop_gradient(ends), plan.delays.outside(plan.method)
        dense = DenseOutput(starts, stops, stats.num_accepted, outputs.pieces, interpolating, plan.system.layout)
    return Solution(ts, ys, y1, status, stats, dense, _triggers(plan, outputs, info, first))


def _triggers(plan, outputs, info, first):
    """What the solution says of each event."""
    found = []
    for i, log in enumerate(() if outputs.events is None else outputs.events.logs):
        log, more = with_first(log, first[i])
        ys = None if log is None else jax.tree_util.tree_unflatten(plan.system.events.observed_trees[i], log.ys)
        count = lax.stop_gradient(info[8])[i].astype(jnp.int32) + more
        found.append(Triggers(None if log is None else log.ts, ys, count))
    return tuple(found)


def _counts(plan, info):
    t, h, num_steps, num_accepted, _, status, _, work, _ = info
    num_steps, num_accepted, status = (value.astype(jnp.int32) for value in (num_steps, num_accepted, status))
    evaluations, jacobians, factorisations, products = plan.work(num_steps, work)
    rejected = num_steps - num_accepted
    return Stats(num_steps, num_accepted, rejected, evaluations, jacobians, factorisations, products, t, h), status


def _assemble(plan, saveat, operands, settings, outputs, info) -> tuple:
    """Saved times and states, the state at the end, and the ends of the pieces of a dense output."""
    _, _, _, num_accepted, _, status, piece_ends, *_ = info
    done = (status == Status.SUCCESS) | (status == Status.EVENT)
    end = tuple(jnp.where(done, leaf, jnp.nan) for leaf in outputs.y)
    t_end = jnp.where(done, operands.t1 if outputs.events is None else outputs.events.t, jnp.nan)
    observe = functools.partial(_observed, plan, settings, operands)
    times, values = [], []
    if saveat.t0:
        times.append(operands.t0[None])
        values.append(tuple(leaf[None] for leaf in observe(operands.t0, operands.y0)))
    if saveat.ts is not None:
        times.append(operands.save_ts)
        values.append(outputs.saved)
    if saveat.steps is not None:
        times.append(outputs.stepped[-1])
        values.append(_saved_leaves(plan, outputs.stepped[:-1]))
    if saveat.t1:
        times.append(t_end[None])
        values.append(tuple(leaf[None] for leaf in observe(t_end, end)))
    ts = ys = ends = None
    if times:
        ts = jnp.concatenate(times)
        joined = tuple(jnp.concatenate(parts) for parts in zip(*values, strict=True))
        ys = jax.tree_util.tree_unflatten(plan.system.saved_layout.treedef, joined)
    if saveat.dense:
        # The first step begins at t0 and the last one ends at t1: derivatives must see both move.
        row = jnp.arange(plan.max_steps, dtype=jnp.int32)
        last = row == num_accepted.astype(jnp.int32) - 1
        starts = jnp.where(row == 0, operands.t0, piece_ends[:, 0])
        ends = (starts, jnp.where(done & last, operands.t1, piece_ends[:, 1]))
        if outputs.events is not None:
            ends = outputs.events.ends[:, 0], outputs.events.ends[:, 1]
    return ts, ys, jax.tree_util.tree_unflatten(plan.system.layout.treedef, end), ends


def _observed(plan, settings, operands, t, leaves):
    """What is saved at `(t, y)`, as the leaves that the user sees; `y` is given by its leaves too."""
    if plan.system.saved_function is None:
        return leaves
    operands = take_apart(plan, operands._replace(y0=leaves))
    return _saved_leaves(plan, plan.bind(operands.theta, settings).observe(t, operands.y0), lead=0)


def _saved_leaves(plan, parts, lead=1):
    return tuple(jax.tree_util.tree_leaves(plan.system.saved_layout.merge(parts, lead=lead)))


def _arrays(tree):
    return jax.tree_util.tree_map(jnp.asarray, tree)
