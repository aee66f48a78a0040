"""The Levenberg-Marquardt iteration within bounds, in the coordinates in which steps are taken."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from ..numerics.loops import while_loop
from .bounded_step import bounded_step, decrease_of_model, held_by_bounds, reduce_system
from .least_squares_status import LeastSquaresStatus

RUNNING, STUCK = -1, -2
LARGEST_DAMPING = 1e20
STATIONARY = 1e-3
"""Cosine between residuals and their derivatives below which a point where no step helps counts as a minimum."""


class Point(NamedTuple):
    """Where an iteration stands, in flat parameters."""

    x: Any
    residuals: Any
    jacobian: Any
    cost: Any


class _State(NamedTuple):
    point: Point
    u: Any
    """Its coordinates."""
    step: Any
    """From there to the trial that is evaluated next."""
    predicted: Any
    """The decrease that it should bring."""
    damping: Any
    growth: Any
    scale: Any
    status: Any
    num_steps: Any


class Problem(NamedTuple):
    """What does not change during an iteration."""

    linearise: Callable
    move: Callable
    """From coordinates to parameters."""
    low: Any
    high: Any
    tolerance: float

    def at(self, u: Array) -> Point:
        """The point with these coordinates."""
        x = self.move(u)
        residuals, jacobian = self.linearise(x)
        return Point(x, residuals, jacobian, 0.5 * jnp.dot(residuals, residuals))


def iterate(problem: Problem, u: Array, damping: float, max_steps: int) -> tuple[Point, Array, Array]:
    """The best point, its `LeastSquaresStatus` as an integer and the number of iterations, from coordinates `u`."""
    # The start is the first trial, so that the residuals and their derivative are compiled once.
    number = lambda value: jnp.full((), value, u.dtype)
    state = _State(
        point=_unevaluated(problem.linearise, problem.move(u)),
        u=u,
        step=jnp.zeros_like(u),
        predicted=number(0),
        damping=number(damping),
        growth=number(2),
        scale=jnp.zeros_like(u),
        status=jnp.int32(RUNNING),
        num_steps=jnp.int32(0),
    )
    going = lambda state: (state.status == RUNNING) & (state.num_steps < max_steps)
    state = while_loop(going, lambda state: _iterate(problem, state), state, state, problem.low, problem.high)
    status = jnp.where(state.status == RUNNING, LeastSquaresStatus.MAX_STEPS, state.status).astype(jnp.int32)
    return state.point, status, state.num_steps


def _unevaluated(linearise: Callable, x: Array) -> Point:
    """A point without residuals, worse than any other."""
    residuals, jacobian = jax.eval_shape(linearise, x)

    def blank(shape):
        # Inside shard_map the loop's carry must vary over the axes over which what it becomes varies.
        axes = getattr(getattr(shape, "manual_axis_type", None), "varying", None) or getattr(shape, "vma", None)
        zeros = jnp.zeros(shape.shape, shape.dtype)
        return lax.pcast(zeros, tuple(sorted(axes, key=str)), to="varying") if axes else zeros

    return Point(x, blank(residuals), blank(jacobian), jnp.full((), jnp.inf, residuals.dtype))


def _iterate(problem: Problem, state: _State) -> _State:
    """Evaluate a trial, take it or not, and find the next one."""
    here, u, low, high = state.point, state.u, problem.low, problem.high
    is_first = state.num_steps == 0
    # On a bound exactly, or rounding would free it again.
    trial = jnp.where(state.step <= low - u, low, jnp.where(state.step >= high - u, high, u + state.step))
    trial = jnp.where(is_first, u, trial)
    there = problem.at(trial)
    finite = jnp.isfinite(there.cost) & jnp.all(jnp.isfinite(there.jacobian))
    actual = jnp.where(finite, here.cost - there.cost, -jnp.inf)
    ratio = jnp.where(is_first, 0.5, actual / jnp.where(state.predicted > 0, state.predicted, 1))
    accepted = finite & (is_first | ((state.predicted > 0) & (ratio > 1e-4)))
    status = jnp.where(is_first, RUNNING, _ended(problem, state, actual, accepted))
    status = jnp.where(is_first & ~finite, LeastSquaresStatus.NON_FINITE_START, status)
    # Nielsen: the damping shrinks smoothly with the ratio, and grows ever faster with rejections in a row.
    shrink = jnp.maximum(1 / 3, 1 - (2 * jnp.minimum(ratio, 2.0) - 1) ** 3)
    damping = jnp.where(accepted, state.damping * shrink, state.damping * state.growth)
    damping = jnp.clip(damping, jnp.finfo(u.dtype).eps ** 2, 2 * LARGEST_DAMPING)
    point = jax.tree.map(lambda new, old: jnp.where(accepted, new, old), there, here)
    growth = jnp.where(accepted, 2.0, 2 * state.growth).astype(u.dtype)
    u = jnp.where(accepted, trial, u)
    step, predicted, scale, cosine = _next_step(problem, point, u, damping, state.scale)
    flat = (cosine <= problem.tolerance) | (point.cost == 0)
    status = jnp.where((status == RUNNING) & flat, LeastSquaresStatus.CONVERGED, status)
    # No step is found however large the damping: a minimum if the gradient is nearly zero, else something is wrong.
    blocked = (status == STUCK) | ((status == RUNNING) & (damping > LARGEST_DAMPING))
    end = jnp.where(cosine <= STATIONARY, LeastSquaresStatus.CONVERGED, LeastSquaresStatus.STALLED)
    status = jnp.where(blocked, end, status).astype(jnp.int32)
    return _State(point, u, step, predicted, damping, growth, scale, status, state.num_steps + 1)


def _next_step(problem: Problem, point: Point, u: Array, damping: Array, scale: Array) -> tuple:
    """A step, the decrease it should bring, the scale, and the largest cosine of the residuals with a free column."""
    low, high = problem.low, problem.high
    slope = jax.jvp(problem.move, (u,), (jnp.ones_like(u),))[1]
    jacobian = point.jacobian * slope
    reduced = reduce_system(point.residuals, jacobian)
    columns = jnp.linalg.norm(jacobian, axis=0)
    scale = jnp.maximum(scale, columns)
    step = bounded_step(reduced, u, damping, jnp.where(scale > 0, scale, 1), low, high)
    step = jnp.clip(step, low - u, high - u)
    size = columns * jnp.sqrt(2 * point.cost)
    free = jnp.where(held_by_bounds(u, reduced.gradient, low, high), 0, jnp.abs(reduced.gradient))
    cosine = jnp.max(free / jnp.where(size > 0, size, 1))
    return step, decrease_of_model(reduced, step), scale, cosine


def _ended(problem: Problem, state: _State, actual: Array, accepted: Array) -> Array:
    """Whether the iteration ends with the step that was tried."""
    tolerance, cost = problem.tolerance, state.point.cost
    metric = jnp.where(state.scale > 0, state.scale, 1)
    # Coordinates that have run off to a bound at infinity do not count.
    reach = jnp.where(jnp.isfinite(state.u), state.u, 0)
    short = jnp.linalg.norm(metric * state.step) <= tolerance * jnp.linalg.norm(metric * reach)
    level = (state.predicted <= tolerance * cost) & (jnp.abs(actual) <= tolerance * cost)
    level = level & (actual <= 2 * state.predicted)
    end = level | short
    status = jnp.where(end & accepted, LeastSquaresStatus.CONVERGED, RUNNING)
    # A rejected step may be short for its damping only: what it is, the gradient must say.
    return jnp.where(end & ~accepted, STUCK, status)
