"""Times in a problem with noise: steps end on save times, the path resolves them, and nothing is differentiated."""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from ...core.tree import is_concrete
from ...numerics.brownian_tree import DEPTH
from ..controllers import FixedStep, PIDController
from ..undifferentiated import guarded


def smallest_step(problem: Any) -> Any:
    """The distance of times above which the path has its exact law: a step may not be smaller."""
    return (problem.t1 - problem.t0) * 2.0**-DEPTH


def stepping_on(problem: Any, controller: Any, ts: Any, dt0: Any) -> Any:
    """The controller with the save times `ts` (or None) among its stops, and steps that the path can resolve."""
    if not isinstance(controller, (PIDController, FixedStep)):
        return controller
    if not controller.is_adaptive and dt0 is not None and is_concrete((dt0, problem.t0, problem.t1)):
        _check_resolved(problem, dt0)
    if ts is not None and ts.ndim == 1:
        given = [] if controller.tstops is None else [jnp.asarray(controller.tstops).reshape(-1)]
        controller = dataclasses.replace(controller, tstops=jnp.concatenate([*given, ts]))
    if not isinstance(controller, PIDController):
        return controller
    least = smallest_step(problem)
    dtmin = least if controller.dtmin is None else jnp.maximum(least, controller.dtmin)
    return dataclasses.replace(controller, dtmin=dtmin)


def _check_resolved(problem: Any, dt0: Any) -> None:
    least = float(smallest_step(problem))
    if float(dt0) < least:
        msg = (
            f"`dt0` must be at least {least:g}, what a Brownian path over the interval resolves; got {float(dt0):g}. "
            "Pass a larger step, or shorten the interval."
        )
        raise ValueError(msg)


def without_time_derivatives(problem: Any, saveat: Any) -> tuple[Any, Any]:
    """The problem and a `SaveAt`, such that a derivative with respect to their times is refused."""
    problem = eqx.tree_at(lambda p: (p.t0, p.t1), problem, tuple(guarded(t) for t in (problem.t0, problem.t1)))
    if saveat.ts is not None:
        saveat = eqx.tree_at(lambda s: s.ts, saveat, guarded(saveat.ts))
    return problem, saveat
