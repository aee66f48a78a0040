"""Multiple shooting: segments with states of their own that are made to join."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from ..core.data import Data
from ..core.tree import is_concrete
from ..training.bounded_least_squares import BoundedLevenbergMarquardt
from ..training.transforms import Leading
from .estimate import Task, make_estimate, make_task, run_compiled
from .matching import Matching
from .prediction import is_problem
from .result import Estimate
from .search import Searched, best_of
from .segments import Segments, SegmentSolver, cut, guess_states
from .status import EstimationStatus
from .unknowns import template_of

LARGEST_MISMATCH = 1e-3
"""Mismatch between segments, relative to the size of the state, above which they do not join."""
FIRST_WEIGHT, GROWTH = 1.0, 10.0
"""Weight of squared relative mismatches against squared relative misfits in the first round, and its growth."""


def multiple_shooting(
    model: Any,
    *,
    data: Data,
    segments: int | Sequence[float] = 8,
    bounds: tuple[PyTree, PyTree] | None = None,
    starts: int | PyTree = 1,
    initial: PyTree = None,
    key: Any = None,
    method: Any = None,
    optimizer: BoundedLevenbergMarquardt = BoundedLevenbergMarquardt(),
    prior: tuple[PyTree, PyTree] | None = None,
    penalty: Callable | None = None,
    rounds: int = 10,
    tolerance: float = 1e-5,
    **options: Any,
) -> Estimate:
    r"""Fit an ODE to data with the interval cut into segments whose initial states are unknowns too.

    Minimises the misfit of `shooting` over the parameters and the states $s_k$ between the segments, subject to
    $\Phi_k(s_k) = s_{k+1}$ ($\Phi_k$: the solution over segment k), by an augmented Lagrangian: each round is a bounded
    Levenberg-Marquardt search, after which multipliers and weight of the mismatches are raised. Short segments follow
    the data whatever the parameters, so long, oscillating and chaotic records don't trap it as they trap `shooting`.

    Parameters
    ----------
    model, data, bounds, starts, initial, key, method, optimizer, prior, penalty
        As for `shooting`; the model must be, or return, an `sj.ODEProblem` without mass matrix.
    segments
        How many, of equal length from `t0` to the last time of the data; or the times between them.
    rounds
        Bound on the rounds.
    tolerance
        Mismatch, relative to the largest value of each component, at which the rounds end. Not below that of the
        solves.
    **options
        For `sj.solve`, but for events.

    Returns
    -------
    Estimate
        Standard errors are those of the parameters with joined segments. Status `NOT_JOINED` where they do not join.

    Raises
    ------
    ValueError, TypeError
        As `shooting`; also for fewer than one segment, segment times outside the data, events, and other equations.

    Notes
    -----
    Segments begin at what was measured, interpolated; components that were not measured are carried along by solves
    from node to node. All segments of all starts are lanes of one batch, so time is solved in parallel. Cost per
    iteration: P + n tangents of a solve, and a QR factorisation of the dense Jacobian with P + E (K - 1) n columns: for
    hundreds of unknown states, not for thousands. Not needed where `shooting` from a few starts works, which is
    cheaper.

    References
    ----------
    Bock, Recent advances in parameter identification techniques for ODE (1983). Nocedal & Wright, Numerical
    Optimization (2006), chapter 17.
    """
    _check(segments, rounds, tolerance, options)
    template = template_of(model, initial, bounds)
    task = make_task(model, data, bounds, starts, template, key, optimizer, prior, penalty, method, options)
    problem = model if is_problem(model) else task.objective.predictor.problem(template[0], _first(data.inputs))
    segments = segments if isinstance(segments, (int, np.integer)) else tuple(float(t) for t in segments)
    found = cut(data, getattr(problem, "t0", 0.0), int(segments) if isinstance(segments, np.integer) else segments)
    _check_nodes(found)
    return run_compiled(_Search(rounds, tolerance), task, found)


def _check(segments: Any, rounds: Any, tolerance: Any, options: dict) -> None:
    if isinstance(segments, (bool, str)) or (isinstance(segments, (int, np.integer)) and segments < 1):
        msg = f"`segments` must be a positive integer or the times between segments; got {segments!r}. Pass, say, 8."
        raise ValueError(msg)
    if not isinstance(rounds, int) or rounds < 1 or not tolerance > 0:
        msg = f"`rounds` and `tolerance` must be positive, the first an integer; got {rounds!r} and {tolerance!r}."
        raise ValueError(msg)
    if options.get("events"):
        msg = "multiple shooting starts anew between segments and takes no events; got some. Use `shooting`."
        raise TypeError(msg)


def _check_nodes(found: Segments) -> None:
    if not is_concrete(found.nodes):
        return
    steps = np.diff(np.asarray(found.nodes), axis=1)
    if not (np.all(steps > 0) or np.all(steps < 0)):
        msg = (
            "segments must have positive lengths between t0 and the last time of the data; got ends at "
            f"{np.asarray(found.nodes[0])}. Pass increasing times inside, or fewer segments."
        )
        raise ValueError(msg)


def _first(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: leaf[0], tree)


class _Round(NamedTuple):
    v: Any
    """Flat parameters, then the states between segments."""
    multipliers: Any
    weight: Any
    mismatch: Any
    status: Any
    num_steps: Any
    num_rounds: Any
    residuals: Any
    jacobian: Any


class _Search(eqx.Module):
    """The search, as a function of a task and its segments."""

    rounds: int = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)

    def __call__(self, task: Task, segments: Segments) -> Estimate:
        objective = task.objective
        solver = SegmentSolver(objective.predictor, segments.nodes, jnp.asarray(segments.rows))
        matching = Matching(objective, solver, segments.is_row)
        one = lambda x: self._from(matching, task, x)
        found = jax.vmap(one)(task.starts) if task.starts.shape[0] > 1 else _lift(one(task.starts[0]))
        x, mismatch, status, num_steps, residuals, jacobian = found
        joined = mismatch <= LARGEST_MISMATCH
        cost = 0.5 * jnp.sum(residuals**2, axis=1)
        cost = jnp.where(jnp.isfinite(cost), cost, jnp.inf)
        order = jnp.lexsort((cost, ~joined))
        searched = Searched(*(leaf[order] for leaf in (x, cost, status, num_steps, residuals, jacobian)))
        best = best_of(searched, task.lower, task.upper)
        apart = ~joined[order[0]] & (best.status != EstimationStatus.NO_START_SUCCEEDED)
        best = best._replace(status=jnp.where(apart, jnp.int32(EstimationStatus.NOT_JOINED), best.status))
        return make_estimate(task, searched, best)

    def _from(self, matching: Matching, task: Task, x: Array) -> tuple:
        """Rounds from one start."""
        count, data = x.shape[0], task.objective.data
        first = matching.first(x)
        states = guess_states(matching.solver, task.objective.unknowns.split(x)[0], first)
        sizes = jnp.max(jnp.abs(states), axis=(0, 1))
        sizes = jnp.where((sizes > 0) & jnp.isfinite(sizes), sizes, 1)
        inner = states[:, 1:]
        # In units of the data, so that weights do not depend on theirs.
        unit = jnp.sqrt(jnp.sum((data.ys / data.scale) ** 2 * data.mask) / jnp.sum(data.mask))
        unit = jnp.where(unit > 0, unit, 1)
        free = jnp.full((inner.size,), jnp.inf, x.dtype)
        lower, upper = jnp.concatenate([task.lower, -free]), jnp.concatenate([task.upper, free])
        optimizer = eqx.tree_at(lambda o: o.transform, task.optimizer, Leading(task.optimizer.transform, count))

        def system(v):
            (r, dr), (c, dc) = matching.system(v[:count], v[count:].reshape(inner.shape))
            scale = jnp.broadcast_to(sizes, inner.shape).ravel()
            return r / unit, dr / unit, c / scale, dc / scale[:, None]

        def improve(state):
            def linearise(v):
                r, dr, c, dc = system(v)
                root = jnp.sqrt(state.weight)
                residuals = jnp.concatenate([r, root * (c + state.multipliers / state.weight)])
                return residuals, jnp.concatenate([dr, root * dc])

            point, status, num_steps = optimizer.minimise(linearise, state.v, lower, upper)
            # The mismatch is what the weighted rows hold beside the multipliers.
            rows = point.residuals[point.residuals.shape[0] - inner.size :] / jnp.sqrt(state.weight)
            c = rows - state.multipliers / state.weight
            multipliers = state.multipliers + state.weight * c
            mismatch = jnp.max(jnp.abs(c), initial=0.0)
            steps, rounds = state.num_steps + num_steps, state.num_rounds + 1
            kept = (point.residuals, point.jacobian)
            # Divided out here, while the weight that they hold is known.
            kept = tuple(leaf.at[-inner.size :].divide(jnp.sqrt(state.weight)) if inner.size else leaf for leaf in kept)
            return _Round(point.x, multipliers, GROWTH * state.weight, mismatch, status, steps, rounds, *kept)

        zero = jnp.zeros((inner.size,), x.dtype)
        v = jnp.concatenate([x, inner.ravel()])
        weight, most = jnp.full((), FIRST_WEIGHT, x.dtype), jnp.full((), jnp.inf, x.dtype)
        rows = sum(leaf.shape[0] for leaf in jax.eval_shape(system, v)[::2])
        kept = (jnp.full((rows,), jnp.nan, x.dtype), jnp.full((rows, v.shape[0]), jnp.nan, x.dtype))
        state = _Round(v, zero, weight, most, jnp.int32(0), jnp.int32(0), jnp.int32(0), *kept)
        going = lambda s: (s.mismatch > self.tolerance) & (s.num_rounds < self.rounds) & jnp.all(jnp.isfinite(s.v))
        state = jax.lax.while_loop(going, improve, state)
        last = rows - inner.size
        residuals, jacobian = unit * state.residuals[:last], unit * state.jacobian[:last]
        condensed = matching.condensed(residuals, jacobian, state.jacobian[last:])
        return state.v[:count], state.mismatch, state.status, state.num_steps, *condensed


def _lift(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: leaf[None], tree)
