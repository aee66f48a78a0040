"""From a model and data to an `Estimate`: what all searches share."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from ..core.callables import as_callable, captured_values, closes_over_tracer
from ..core.checks import check_instance
from ..core.data import Data
from ..training.bounded_least_squares import BoundedLevenbergMarquardt
from ..training.linearise import as_vector, forward_linearise
from .prediction import Predictor, check_times, is_problem
from .result import Estimate, Starts
from .search import Best, Searched
from .starts import draw_starts
from .unknowns import Unknowns


class Objective(eqx.Module):
    """Scaled residuals of data, prior and penalty as a function of the flat parameters."""

    predictor: Any
    template: PyTree
    prior: tuple[Array, Array] | None
    penalty: Callable | None

    @property
    def data(self) -> Data:
        """What is fitted."""
        return self.predictor.data

    @property
    def unknowns(self) -> Unknowns:
        """What is estimated."""
        return Unknowns(self.template, self.data)

    def residuals(self, x: Array, horizon: Any = None) -> Array:
        """Shape (E T C + ...,)."""
        params, y0 = self.unknowns.split(x)
        data = self.data if horizon is None else self.data.until(horizon)
        return jnp.concatenate([data.residuals(self.predictor(params, y0, horizon)), self.extra(x)])

    def extra(self, x: Array) -> Array:
        """Those of prior and penalty."""
        parts = [jnp.zeros((0,), x.dtype)]
        if self.prior is not None:
            mean, deviation = self.prior
            parts.append((x[: mean.shape[0]] - mean) / deviation)
        if self.penalty is not None:
            parts.append(as_vector(self.penalty(self.unknowns.split(x)[0])))
        return jnp.concatenate(parts)

    def linearise(self, horizon: Any = None) -> Callable:
        """`x -> (residuals, Jacobian)`."""
        return forward_linearise(lambda x: self.residuals(x, horizon))


class Task(NamedTuple):
    """What a search gets."""

    objective: Objective
    starts: Array
    lower: Array
    upper: Array
    optimizer: BoundedLevenbergMarquardt


def make_task(
    model: Any, data: Any, bounds: Any, starts: Any, template: tuple[PyTree, bool], key: Any,
    optimizer: Any, prior: Any, penalty: Any, method: Any, options: dict,
) -> Task:  # fmt: skip
    """Check everything, and draw the starts."""
    check_instance(optimizer, BoundedLevenbergMarquardt, "optimizer", "sj.training.BoundedLevenbergMarquardt()")
    predictor = Predictor(model, data, method, options)
    params, is_guess = template
    unknowns = Unknowns(params, data)
    lower, upper = unknowns.bounds(bounds)
    optimizer.transform.check(lower, upper)
    prior = None if prior is None else _as_prior(prior, unknowns)
    _check_enough(data, unknowns, prior, penalty)
    first = jax.tree.map(lambda leaf: leaf[0], data.inputs)
    check_times(model if is_problem(model) else predictor.problem(params, first), data)
    penalty = None if penalty is None else as_callable(penalty, "penalty", "params")
    if isinstance(starts, (int, np.integer, str)) or starts is None:
        guess = unknowns.initial if is_guess else None
        begin = draw_starts(starts, guess, lower, upper, optimizer.transform, key)
    else:
        begin = jnp.clip(unknowns.starts(starts), lower, upper)
    return Task(Objective(predictor, params, prior, penalty), begin, lower, upper, optimizer)


def _as_prior(prior: Any, unknowns: Unknowns) -> tuple[Array, Array]:
    if not isinstance(prior, (tuple, list)) or len(prior) != 2:
        msg = f"`prior` must be a pair (mean, standard deviation), each like the parameters; got {prior!r}."
        raise ValueError(msg)
    mean, deviation = (unknowns.params.flatten(side, f"prior[{i}]") for i, side in enumerate(prior))
    return mean, deviation


def _check_enough(data: Data, unknowns: Unknowns, prior: Any, penalty: Any) -> None:
    count, size = len(unknowns.names), data.size
    if isinstance(size, jax.core.Tracer) or penalty is not None:
        return
    known = 0 if prior is None else prior[0].shape[0]
    if int(size) + known < count:
        msg = (
            f"there must be at least as many measured values as unknowns; got {int(size)} values for {count} unknowns. "
            "Measure more, fix some of them, or pass a `prior`."
        )
        raise ValueError(msg)


def run_compiled(function: Callable, task: Task, *operands: Any) -> Any:
    """`function(task, *operands)`, compiled once for models and shapes that are alike."""
    held = [task.objective.predictor.model, task.objective.data.observe, task.objective.penalty]
    callables = [f for f in held if callable(f)]
    field = getattr(task.objective.predictor.model, "vector_field", None)
    callables += [] if field is None else [field]
    if closes_over_tracer(*callables):
        # The compiled program would keep the tracer beyond its trace.
        return function(task, *operands)
    return _compiled(function, task, operands, captured_values(*callables))


@eqx.filter_jit
def _compiled(function, task, operands, captured):
    del captured
    return function(task, *operands)


def make_estimate(task: Task, searched: Searched, best: Best) -> Estimate:
    """The result in the structure of the parameters."""
    objective, data = task.objective, task.objective.data
    unknowns = objective.unknowns
    count = data.ys.size
    residuals = best.residuals[:count].reshape(data.ys.shape)
    num_data = jnp.sum(data.mask)
    degrees = num_data - best.x.shape[0]
    known = data.noise is not None
    square = jnp.sum(residuals**2)
    # As many values as parameters leave nothing to estimate the noise from.
    sigma = jnp.where(degrees > 0, jnp.sqrt(square / jnp.maximum(degrees, 1)), jnp.nan)
    matrix = best.covariance.matrix
    covariance = matrix if known else matrix * sigma**2
    covariance = jnp.where(jnp.isnan(best.x[0]), jnp.nan, covariance)
    errors = jnp.where(best.covariance.identifiable, jnp.sqrt(jnp.diag(covariance)), jnp.inf)
    params, y0 = unknowns.split(best.x)
    params_errors, y0_errors = unknowns.split_numbers(errors)
    ended = jax.vmap(lambda x: unknowns.split_numbers(x)[0])(searched.x)
    return Estimate(
        params=params,
        standard_errors=params_errors,
        covariance=covariance,
        identifiable=best.covariance.identifiable,
        at_bound=best.at_bound,
        cost=searched.cost[0],
        residuals=residuals,
        predictions=jnp.where(data.mask, residuals * data.scale + data.ys, jnp.nan),
        jacobian=best.jacobian,
        singular_values=best.covariance.singular_values,
        sigma=sigma,
        num_data=num_data,
        starts=Starts(ended, searched.cost, searched.status, searched.num_steps),
        y0=y0,
        standard_errors_y0=y0_errors,
        code=best.status,
        flat=best.x,
        lower=task.lower,
        upper=task.upper,
        log_noise=jnp.sum(jnp.where(data.mask, jnp.log(data.scale), 0)),
        noise_is_known=known,
        names=unknowns.names,
    )
