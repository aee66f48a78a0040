"""Full orthogonal collocation: states at collocation points and parameters as unknowns of one least squares problem."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from ..core.data import Data
from ..training.bounded_least_squares import BoundedLevenbergMarquardt
from ..training.linearise import forward_linearise
from ..training.transforms import Leading
from .collocation import AbstractMatching, flat_field, problem_at
from .estimate import Task, make_task, run_compiled
from .result import Estimate
from .segments import initial_states, interpolated
from .shooting import shooting
from .status import EstimationStatus
from .unknowns import template_of

GROWTH = 10.0
"""Of the weight of the collocation equations from round to round."""
INNER = 15
"""Iterations per round: a round need not be exact before the weight grows."""
LARGEST_VIOLATION = 1e-3
"""Error of the collocation equations, relative to the size of a component, above which they do not hold."""


class OrthogonalCollocation(AbstractMatching):
    """States as piecewise polynomials beside the parameters: the data misfit with the equation as a constraint.

    On each of `intervals` equal intervals the states are polynomials of degree `degree` that satisfy `dy/dt = f` at the
    Radau points (the implicit Runge-Kutta method Radau IIA, of order `2 degree - 1`, for all steps at once). States and
    parameters together minimise the misfit of the data subject to these equations, by an augmented Lagrangian whose
    weight grows tenfold from round to round: first the states follow the data, then the equation. Nothing is ever
    solved forward, so that wrong parameters cannot make a solve blow up; partial observation works.

    Parameters
    ----------
    intervals
        Per experiment, at least 1: a few per bend of the solution.
    degree
        Of the polynomials, 1 to 5.
    rounds, tolerance
        Rounds at most; and the error of the equations, in units of the size of each component, at which to stop.

    Notes
    -----
    Each iteration factorises a dense matrix with `P + E n intervals degree` columns: for some hundred unknowns. The
    unknown initial states of a problem stay as the data say (`unknown_y0`). Components that were not measured begin at
    their initial value.

    References
    ----------
    Biegler, Nonlinear Programming (2010), chapter 10. Nocedal & Wright, Numerical Optimization (2006), chapter 17.
    """

    intervals: int = eqx.field(static=True)
    degree: int = eqx.field(static=True)
    rounds: int = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)

    def __init__(self, intervals: int = 20, *, degree: int = 3, rounds: int = 8, tolerance: float = 1e-6):
        for value, name, most in ((intervals, "intervals", None), (degree, "degree", 5), (rounds, "rounds", None)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most and value > most):
                limit = "at least 1" if most is None else f"1 to {most}"
                msg = f"`{name}` must be an integer of {limit}; got {value!r}. Leave it out for the default."
                raise ValueError(msg)
        if not tolerance > 0:
            msg = f"`tolerance` must be positive; got {tolerance!r}. Pass, for example, 1e-6."
            raise ValueError(msg)
        self.intervals, self.degree, self.rounds, self.tolerance = intervals, degree, rounds, float(tolerance)

    def fit(self, model: Any, data: Data, **search: Any) -> Any:
        """The parameters of the best start, like the initial ones."""
        return self._search(model, data, **search)[0]

    def estimate(self, model: Any, data: Data, options: dict, **search: Any) -> Estimate:
        """The parameters, with errors and residuals of one solve there."""
        params, violation = self._search(model, data, **search)
        optimizer = BoundedLevenbergMarquardt(max_steps=1)
        found = shooting(model, data=data, bounds=search["bounds"], initial=params, optimizer=optimizer, **options)
        joined = violation <= max(LARGEST_VIOLATION, self.tolerance)
        ended = jnp.where(jnp.all(found.identifiable), EstimationStatus.CONVERGED, EstimationStatus.UNIDENTIFIABLE)
        code = jnp.where(joined, ended, EstimationStatus.NOT_JOINED).astype(jnp.int32)
        return eqx.tree_at(lambda e: e.code, found, code)

    def _search(
        self, model: Any, data: Data, *, bounds: Any, starts: Any, initial: Any, key: Any, optimizer: Any
    ) -> tuple[Any, Any]:
        template = template_of(model, initial, bounds)
        task = make_task(model, data, bounds, starts, template, key, optimizer, None, None, None, {})
        x, violation = run_compiled(_Search(self), task)
        return task.objective.unknowns.split(x)[0], violation


class _Round(NamedTuple):
    v: Any
    multipliers: Any
    weight: Any
    violation: Any
    cost: Any
    count: Any


class _Search(eqx.Module):
    """The rounds from every start, as a function of a task."""

    options: OrthogonalCollocation

    def __call__(self, task: Task) -> tuple[Any, Any]:
        found = lax.map(lambda x: self._from(task, x), task.starts)
        cost = jnp.where(jnp.isfinite(found.cost), found.cost, jnp.inf)
        cost = jnp.where(found.violation <= LARGEST_VIOLATION, cost, 1e6 * cost)
        best = jnp.argmin(cost)
        return found.v[best, : task.starts.shape[1]], found.violation[best]

    def _from(self, task: Task, x: Array) -> _Round:
        count, options = x.shape[0], self.options
        system = _System(task.objective, options.intervals, options.degree)
        guess = system.guess(x)
        sizes = jnp.max(jnp.abs(guess), axis=(0, 1))
        sizes = jnp.where(sizes > 0, sizes, 1.0)
        unknown = guess[:, 1:]
        free = jnp.full((unknown.size,), jnp.inf, x.dtype)
        lower, upper = jnp.concatenate([task.lower, -free]), jnp.concatenate([task.upper, free])
        given = task.optimizer
        optimizer = BoundedLevenbergMarquardt(
            given.rtol, min(given.max_steps, INNER), given.damping, Leading(given.transform, count)
        )

        def parts(v):
            states = v[count:].reshape(unknown.shape)
            misfit, defects = system(v[:count], states)
            return misfit, (defects / sizes).ravel()

        def improve(state: _Round) -> _Round:
            def residuals(v):
                misfit, defects = parts(v)
                return jnp.concatenate([misfit, jnp.sqrt(state.weight) * (defects + state.multipliers / state.weight)])

            point, _, _ = optimizer.minimise(forward_linearise(residuals), state.v, lower, upper)
            misfit, defects = parts(point.x)
            multipliers = state.multipliers + state.weight * defects
            cost = jnp.sum(misfit**2)
            return _Round(point.x, multipliers, GROWTH * state.weight, jnp.max(jnp.abs(defects)), cost, state.count + 1)

        v = jnp.concatenate([x, unknown.ravel()])
        # In units of the data, as the misfit is: one part in ten of a state counts like the data do.
        weight = jnp.sum((task.objective.data.ys / task.objective.data.scale) ** 2) / unknown.shape[1]
        big = jnp.asarray(jnp.inf, x.dtype)
        start = _Round(v, jnp.zeros((unknown.size,), x.dtype), weight.astype(x.dtype), big, big, 0)
        going = lambda s: (s.violation > options.tolerance) & (s.count < options.rounds)
        return lax.while_loop(going, improve, start)


class _System:
    """Misfit and collocation equations as functions of the unknowns and the states at the collocation points."""

    def __init__(self, objective: Any, intervals: int, degree: int):
        self.objective, self.data = objective, objective.data
        self.intervals, self.degree = intervals, degree
        nodes = np.concatenate([[0.0], radau_nodes(degree)])
        self.nodes, self.slopes = nodes, lagrange_slopes(nodes)[1:]

    def _problem(self, x: Any, experiment: int) -> Any:
        params, _ = self.objective.unknowns.split(x)
        return problem_at(self.objective.predictor.model, params, self.data.inputs, experiment)

    def mesh(self, x: Any, experiment: int) -> tuple[Any, Any]:
        """The ends of the intervals and the length of one."""
        t0 = self._problem(x, experiment).t0
        last = self.data.ts[experiment, -1]
        return jnp.linspace(t0, last, self.intervals + 1), (last - t0) / self.intervals

    def points(self, x: Any, experiment: int) -> Any:
        """The times of all states, (intervals * degree + 1,)."""
        edges, h = self.mesh(x, experiment)
        inner = edges[:-1, None] + h * jnp.asarray(self.nodes[1:], edges.dtype)
        return jnp.concatenate([edges[:1], inner.ravel()])

    def first(self, x: Any) -> Any:
        """The initial states, (E, n)."""
        params, y0 = self.objective.unknowns.split(x)
        return initial_states(self.objective.predictor, params, y0)

    def guess(self, x: Any) -> Any:
        """States through the data where they were measured, at their initial values elsewhere, (E, points, n)."""
        first, data = self.first(x), self.data
        points = jnp.stack([self.points(x, e) for e in range(data.num_experiments)])
        states = jnp.broadcast_to(first[:, None], (*points.shape, first.shape[1]))
        if data.observe is None:
            measured = interpolated(points, data)
            which = tuple(range(first.shape[1])) if data.components is None else data.components
            states = states.at[:, :, jnp.asarray(which)].set(measured)
        return states.at[:, 0].set(first)

    def __call__(self, x: Any, unknown: Any) -> tuple[Any, Any]:
        states = jnp.concatenate([self.first(x)[:, None], unknown], axis=1)
        found = [self._experiment(x, e, states[e]) for e in range(states.shape[0])]
        predictions, defects = (jnp.stack(part) for part in zip(*found))
        return jnp.concatenate([self.data.residuals(predictions), self.objective.extra(x)]), defects

    def _experiment(self, x: Any, experiment: int, states: Any) -> tuple[Any, Any]:
        problem, ts = self._problem(x, experiment), self.data.ts[experiment]
        edges, h = self.mesh(x, experiment)
        window = np.arange(self.intervals)[:, None] * self.degree + np.arange(self.degree + 1)
        pieces = states[window]
        rates = jax.vmap(flat_field(problem))(self.points(x, experiment)[1:], states[1:])
        slopes = jnp.einsum("ab,kbn->kan", jnp.asarray(self.slopes, states.dtype), pieces)
        defects = slopes.reshape(rates.shape) - h * rates
        place = jnp.clip(jnp.floor((ts - edges[0]) / h).astype(int), 0, self.intervals - 1)
        basis = lagrange_values(self.nodes, (ts - edges[place]) / h)
        values = jnp.einsum("tb,tbn->tn", basis.astype(states.dtype), pieces[place])
        unravel = ravel_pytree(problem.y0)[1]
        return self.objective.predictor.observed(ts, jax.vmap(unravel)(values), problem), defects


def radau_nodes(degree: int) -> np.ndarray:
    """The right Radau points on [0, 1]: roots of P_degree - P_(degree-1), ending at 1."""
    difference = np.zeros(degree + 1)
    difference[-1], difference[-2] = 1.0, -1.0
    roots = np.sort(np.real(np.polynomial.legendre.legroots(difference)))
    roots[-1] = 1.0
    return (roots + 1) / 2


def lagrange_slopes(nodes: np.ndarray) -> np.ndarray:
    """The matrix that gives slopes at the nodes from values there."""
    powers = np.arange(nodes.size)
    values = nodes[:, None] ** powers
    slopes = powers * nodes[:, None] ** np.maximum(powers - 1, 0)
    return slopes @ np.linalg.inv(values)


def lagrange_values(nodes: np.ndarray, at: Any) -> Any:
    """The Lagrange polynomials of the nodes at some places, (places, nodes)."""
    columns = []
    for i, node in enumerate(nodes):
        others = np.delete(nodes, i)
        columns.append(jnp.prod((at[:, None] - others) / (node - others), axis=1))
    return jnp.stack(columns, axis=1)
