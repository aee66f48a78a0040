"""From a jump problem and options to a `Solution`: check, compile once, run, report failure on the host."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from ...core.callables import captured_values, closes_over_tracer
from ...core.checks import check_max_steps, check_save_times
from ...core.status import Status
from ...core.tree import Static, combine, partition
from ...numerics.loops import vary_like
from ..keys import as_key
from ..options import DefaultSteps, pull_in_save_times, raise_on_failure
from ..saveat import as_saveat
from ..solution import Solution, Stats
from .dense import PiecewiseConstant
from .loop import Operands, Plan, blank, simulate
from .network import Network
from .random_words import seed_words

MOST_STEPS = 10_000_000
"""Default bound of the steps of a path."""

MOST_KEPT_STEPS = 4096
"""The same where every step is kept."""


def run(problem: Any, method: Any, saveat: Any, max_steps: Any, key: Any, on_failure: str) -> Solution:
    """Simulate a path with a jump method."""
    saveat = as_saveat(saveat)
    key = as_key(key, method.name)
    check_solve(problem, saveat, on_failure)
    check_fit(problem, method)
    if max_steps is None or isinstance(max_steps, DefaultSteps):
        keeps = saveat.steps is not None or saveat.dense
        max_steps = None if max_steps is None else MOST_KEPT_STEPS if keeps else MOST_STEPS
    check_max_steps(max_steps)
    if max_steps is None and (saveat.steps is not None or saveat.dense):
        msg = "`SaveAt(steps=...)` and `SaveAt(dense=True)` need a known length; got `max_steps=None`. Pass a number."
        raise ValueError(msg)
    dynamic, static = partition((problem, saveat, key))
    functions = (problem.rates, problem.rate_bound, problem.affect, saveat.fn)
    functions = tuple(function for function in functions if callable(function))
    config = Static((static, method, max_steps, captured_values(*functions)))
    if closes_over_tracer(*functions):
        solution = jax.jit(functools.partial(_run, config))(dynamic)
    else:
        solution = _compiled(config, dynamic)
    if on_failure == "raise":
        raise_on_failure(solution)
    return solution


def check_solve(problem: Any, saveat: Any, on_failure: str) -> None:
    """Refuse wrong options; values are looked at where they are concrete."""
    if saveat.ts is not None:
        check_save_times(saveat.ts, problem.t0, problem.t1)
    if on_failure not in ("raise", "status"):
        msg = f"`on_failure` must be 'raise' or 'status'; got {on_failure!r}. With 'status', look at `sol.status`."
        raise ValueError(msg)


def check_fit(problem: Any, method: Any) -> None:
    """Refuse problems that the method cannot simulate."""
    if problem.base is not None:
        msg = (
            f"`{method.name}` simulates jumps with nothing between them; got a problem with `base`. Use "
            "`sj.IntegratedHazard()`, the default for such problems."
        )
        raise ValueError(msg)
    if problem.affect is not None and not method.takes_affect:
        msg = f"`{method.name}` needs the stoichiometry; got a problem with `affect`. Use `sj.Gillespie()`."
        raise ValueError(msg)


def _run(config: Static, dynamic: Any) -> Solution:
    static, method, max_steps, _ = config.tree
    dynamic = vary_like(dynamic, dynamic)
    problem, saveat, key = combine(dynamic, static)
    t0, t1, save_ts = _times(problem, saveat)
    written_out = None if method.holds_components else False
    network = Network(problem, t0, written_out, method.needs_slopes, method.needs_dependents)
    if network.depends_on_time and not method.takes_time:
        msg = f"`{method.name}` needs rates that do not depend on time; got some that do. Use `sj.Gillespie()`."
        raise ValueError(msg)
    if network.depends_on_time and method.is_exact and problem.rate_bound is None:
        msg = (
            f"`{method.name}` needs rates that stay as they are between jumps; got rates that depend on time. Pass "
            "`JumpProblem(..., rate_bound=...)`, a bound of their sum, or use `sj.TauLeaping()` or "
            "`sj.IntegratedHazard()`."
        )
        raise ValueError(msg)
    save_ts, bad = pull_in_save_times(save_ts, t0, t1)
    bound = problem.rate_bound
    y0 = network.layout.split(problem.y0)
    words = seed_words(key)
    save_every = 1 if saveat.dense else saveat.steps
    num_save = 0 if saveat.ts is None else save_ts.shape[0]
    plan = Plan(method, network, max_steps=max_steps, num_save=num_save, save_every=save_every)
    operands = Operands(
        y0=y0,
        t0=t0,
        t1=t1,
        functions=network.release(),
        bound=jnp.asarray(jnp.nan if bound is None or callable(bound) else bound, t0.dtype),
        save_ts=save_ts,
        words=tuple(words[i] for i in range(4)),
        bad_input=bad,
    )
    operands = jax.tree_util.tree_map(jnp.asarray, operands)
    operands = vary_like(operands, operands)
    place, saved = _not_differentiable(simulate(plan), method.name)(operands)
    return _solution(plan, problem, saveat, operands, place, saved)


_compiled = jax.jit(_run, static_argnums=0)


def _times(problem: Any, saveat: Any) -> tuple[Any, Any, Any]:
    """The ends of the interval and the save times, in the dtype of time: that of the state's floats, or the default."""
    reals = [x.dtype for x in jax.tree_util.tree_leaves(problem.y0) if jnp.issubdtype(x.dtype, jnp.floating)]
    dtype = jnp.result_type(problem.t0, problem.t1, *(reals or [float]))
    t0, t1 = (jnp.asarray(t, dtype) for t in (problem.t0, problem.t1))
    return t0, t1, jnp.zeros(0, dtype) if saveat.ts is None else saveat.ts.astype(dtype)


def _not_differentiable(function: Any, name: str) -> Any:
    """The same function, which says why it has no derivative when one is asked for."""
    guarded = jax.custom_jvp(function)

    @guarded.defjvp
    def rule(primals, tangents):
        del primals, tangents
        msg = (
            f"A path simulated by `{name}` has no useful derivative: parameters move the times of its jumps and the "
            "reactions that fire, so that the derivative of a path is not that of an expectation. Stop it with "
            "`jax.lax.stop_gradient`, take finite differences with the same keys, or use `sj.IntegratedHazard()`."
        )
        raise TypeError(msg)

    return guarded


def _solution(plan: Plan, problem: Any, saveat: Any, operands: Operands, place: Any, saved: tuple) -> Solution:
    layout = plan.network.layout
    done = place.status == Status.SUCCESS
    y1 = layout.merge(tuple(jnp.where(done, leaf, blank(leaf.shape, leaf.dtype)) for leaf in place.y))
    t1 = jnp.where(done, operands.t1, jnp.nan)
    times, parts = [], []
    if saveat.t0:
        times.append(operands.t0[None])
        parts.append(tuple(leaf[None] for leaf in operands.y0))
    if saveat.ts is not None:
        times.append(operands.save_ts)
        parts.append(saved)
    kept = place.stepped
    if saveat.steps is not None:
        every = 1 if plan.save_every == saveat.steps else saveat.steps
        times.append(kept[0][every - 1 :: every])
        parts.append(tuple(leaf[every - 1 :: every] for leaf in kept[1:]))
    if saveat.t1:
        times.append(t1[None])
        parts.append(tuple(jnp.where(done, leaf, blank(leaf.shape, leaf.dtype))[None] for leaf in place.y))
    ts = ys = None
    if times:
        ts = jnp.concatenate(times)
        ys = layout.merge(tuple(jnp.concatenate(leaves) for leaves in zip(*parts, strict=True)), lead=1)
        ys = ys if saveat.fn is None else _observed(problem, saveat, ts, ys)
    dense = None
    if saveat.dense:
        ends = (operands.t0, jnp.where(done, operands.t1, place.t))
        dense = PiecewiseConstant(*ends, kept[0], operands.y0, kept[1:], layout)
    return Solution(ts=ts, ys=ys, y1=y1, status=place.status, stats=_stats(place, t1), dense=dense)


def _observed(problem: Any, saveat: Any, ts: Any, ys: Any) -> Any:
    """`SaveAt(fn=...)` of what was saved; blank where nothing was."""
    first = jax.tree_util.tree_leaves(ys)[0]
    missing = first.reshape(first.shape[0], -1)[:, 0]
    empty = blank((), first.dtype)
    reached = ~jnp.isnan(missing) if jnp.issubdtype(first.dtype, jnp.inexact) else missing != empty
    values = jax.vmap(lambda t, y: saveat.fn(t, y, problem.args))(ts, ys)
    choose = lambda x: jnp.where(reached.reshape(-1, *(1 for _ in x.shape[1:])), x, blank(x.shape, x.dtype))
    return jax.tree_util.tree_map(choose, values)


def _stats(place: Any, t1: Any) -> Stats:
    steps = place.num_steps
    zero, waiting = jnp.zeros_like(steps), jnp.full_like(place.t, jnp.nan)
    thinned = zero if place.num_thinned is None else place.num_thinned
    t_last = jnp.where(place.status == Status.SUCCESS, t1, place.t)
    return Stats(steps, steps - thinned, thinned, steps, zero, zero, zero, t_last, waiting)
