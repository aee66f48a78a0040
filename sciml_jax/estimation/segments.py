"""An experiment cut into segments, each solved from a state of its own."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float

from ..core.data import Data
from ..core.tree import is_concrete
from ..equations.problem import ODEProblem
from ..equations.solve import solve
from .prediction import Predictor, is_problem


class Segments(NamedTuple):
    """Where E experiments are cut into K segments, and which rows of the data fall into each."""

    nodes: Float[Array, "experiments nodes"]
    """The ends of the segments, shape (E, K + 1)."""
    rows: Any
    """Indices of the rows of data in each segment, shape (E, K, W), filled up to W."""
    is_row: Bool[Array, "experiments segments width"]
    """Which of them are really in it."""


def cut(data: Data, t0: Any, segments: Any) -> Segments:
    """Segments of equal length up to the last time of each experiment, or between given times."""
    last = data.ts[:, -1]
    if isinstance(segments, int):
        nodes = t0 + (last - t0)[:, None] * jnp.arange(segments + 1) / segments
    else:
        inner = jnp.broadcast_to(jnp.asarray(segments, last.dtype), (last.shape[0], len(segments)))
        nodes = jnp.concatenate([jnp.full_like(last, t0)[:, None], inner, last[:, None]], axis=1)
    # The last time exactly: it must fall into the last segment.
    nodes = nodes.at[:, -1].set(last)
    length, count = data.ts.shape[1], nodes.shape[1] - 1
    direction = jnp.where(last >= t0, 1, -1)[:, None]
    place = jax.vmap(lambda edges, ts: jnp.searchsorted(edges, ts, side="left"))(
        direction * nodes[:, 1:-1], direction * data.ts
    )
    if not is_concrete(place):
        rows = jnp.broadcast_to(jnp.arange(length), (*nodes[:, 1:].shape, length))
        return Segments(nodes, rows, place[:, None, :] == jnp.arange(count)[None, :, None])
    found = np.asarray(place)
    width = max(1, max(int(np.sum(row == k)) for row in found for k in range(count)))
    rows = np.zeros((found.shape[0], count, width), int)
    is_row = np.zeros(rows.shape, bool)
    for e, row in enumerate(found):
        for k in range(count):
            inside = np.flatnonzero(row == k)
            rows[e, k, : inside.size], is_row[e, k, : inside.size] = inside, True
            # Save times must be sorted, those of no use too: they are moved into the segment.
            rows[e, k, inside.size :] = length - 1
    return Segments(nodes, rows, jnp.asarray(is_row))


class SegmentSolver(eqx.Module):
    """`(params, state, experiment, segment) -> (predictions (W, C), state at the end (n,))`."""

    predictor: Predictor
    nodes: Array
    rows: Array

    def __call__(self, params: Any, state: Array, experiment: Array, segment: Array) -> tuple[Array, Array]:
        """Solve one segment."""
        predictor, data = self.predictor, self.predictor.data
        problem = problem_of(predictor, params, jax.tree.map(lambda leaf: leaf[experiment], data.inputs))
        begin, end = self.nodes[experiment, segment], self.nodes[experiment, segment + 1]
        ts = data.ts[experiment, self.rows[experiment, segment]]
        ts = jnp.clip(ts, jnp.minimum(begin, end), jnp.maximum(begin, end))
        unravel = ravel_pytree(problem.y0)[1]
        at = lambda problem: (problem.t0, problem.t1, problem.y0)
        problem = eqx.tree_at(at, problem, (begin, end, unravel(state)))
        sol = solve(problem, predictor.method, saveat=ts, **predictor.options)
        return predictor.observed(ts, sol.ys, problem), ravel_pytree(sol.y1)[0]


def problem_of(predictor: Predictor, params: Any, inputs: Any) -> ODEProblem:
    """The problem at some parameters, of the kind that can be cut."""
    problem = predictor.problem(params, inputs)
    if not isinstance(problem, ODEProblem) or problem.mass_matrix is not None:
        what = type(problem).__name__ if is_problem(problem) else "predictions"
        what = f"{what} with a mass matrix" if isinstance(problem, ODEProblem) else what
        msg = (
            "multiple shooting starts anew between the segments, which takes an `sj.ODEProblem` without mass matrix; "
            "got "
            f"{what}. Use `shooting`."
        )
        raise TypeError(msg)
    return problem


def initial_states(predictor: Predictor, params: Any, y0: Any) -> Float[Array, "experiments state"]:
    """The state in which each experiment begins."""
    data = predictor.data

    def one(y0, inputs):
        problem = problem_of(predictor, params, inputs)
        return ravel_pytree(problem.y0 if y0 is None else y0)[0].astype(data.ys.dtype)

    y0 = data.y0 if y0 is None else y0
    if y0 is None and data.inputs is None:
        return jnp.broadcast_to(one(None, None), (data.num_experiments, one(None, None).shape[0]))
    return jax.vmap(one)(y0, data.inputs)


def guess_states(solver: SegmentSolver, params: Any, first: Array) -> Float[Array, "experiments segments state"]:
    """States at the beginning of all segments: what was measured there, the rest carried along by solving.

    Where measured components are put right at every node, the others often synchronise with them.
    """
    data, nodes = solver.predictor.data, solver.nodes
    count, size = nodes.shape[1] - 1, first.shape[1]
    components = data.components
    if data.observe is None and components is None:
        components = tuple(range(size))
    measured = jax.vmap(lambda *args: jax.vmap(_between, in_axes=(0, None, None, None))(*args))(
        nodes[:, :-1], data.ts, data.ys, data.mask
    )
    is_known = np.zeros(size, bool)
    known = jnp.zeros((*nodes[:, :-1].shape, size), first.dtype)
    if data.observe is None:
        is_known[list(components or ())] = True
        known = known.at[:, :, jnp.asarray(components)].set(measured)
    if np.all(is_known):
        return known.at[:, 0].set(first)

    def follow(state, inputs):
        segment, known = inputs
        end = jax.vmap(lambda state, e: solver(params, state, e, segment)[1])(state, jnp.arange(state.shape[0]))
        end = jnp.where(jnp.isfinite(end), end, state)
        return jnp.where(is_known, known, end), state

    after = jnp.moveaxis(known[:, 1:], 1, 0)
    after = jnp.concatenate([after, after[-1:] if count > 1 else jnp.moveaxis(known, 1, 0)])
    _, states = jax.lax.scan(follow, first, (jnp.arange(count), after))
    return jnp.moveaxis(states, 0, 1)


def interpolated(times: Float[Array, "experiments times"], data: Data) -> Float[Array, "experiments times series"]:
    """What was measured, interpolated linearly, at other times."""
    at = jax.vmap(_between, in_axes=(0, None, None, None))
    return jax.vmap(at)(times, data.ts, data.ys, data.mask)


def _between(t, ts, ys, mask):
    """Values measured at `t`, or interpolated between the nearest ones before and after, shape (C,)."""
    sign = jnp.where(ts[-1] >= ts[0], 1, -1)
    row = jnp.arange(ts.shape[0])
    earlier = mask & (sign * ts <= sign * t)[:, None]
    later = mask & (sign * ts >= sign * t)[:, None]
    before = jnp.max(jnp.where(earlier, row[:, None], -1), axis=0)
    after = jnp.min(jnp.where(later, row[:, None], ts.shape[0]), axis=0)
    low = jnp.clip(jnp.where(before < 0, after, before), 0, ts.shape[0] - 1)
    high = jnp.clip(jnp.where(after >= ts.shape[0], before, after), 0, ts.shape[0] - 1)
    column = jnp.arange(ys.shape[1])
    length = ts[high] - ts[low]
    weight = jnp.where(length == 0, 0, (t - ts[low]) / jnp.where(length == 0, 1, length))
    return (1 - weight) * ys[low, column] + weight * ys[high, column]
