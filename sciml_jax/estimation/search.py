"""The search from all starts at once, and what becomes of its best point."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..training.bounded_step import held_by_bounds
from ..training.least_squares_status import LeastSquaresStatus
from .covariance import Covariance, covariance_of
from .status import EstimationStatus


class Searched(NamedTuple):
    """All starts in the order of their misfit, in flat parameters."""

    x: Float[Array, "starts params"]
    cost: Float[Array, " starts"]
    status: Int[Array, " starts"]
    num_steps: Int[Array, " starts"]
    residuals: Float[Array, "starts residuals"]
    jacobian: Float[Array, "starts residuals params"]


def search(linearise: Callable, starts: Array, lower: Array, upper: Array, optimizer: Any) -> Searched:
    """Minimise from every start, all lanes of one loop; the best comes first."""
    minimise = lambda x: optimizer.minimise(linearise, x, lower, upper)
    if starts.shape[0] == 1:
        found = jax.tree.map(lambda leaf: leaf[None], minimise(starts[0]))
    else:
        found = jax.vmap(minimise)(starts)
    point, status, num_steps = found
    cost = jnp.where(jnp.isfinite(point.cost), point.cost, jnp.inf)
    order = jnp.argsort(cost)
    searched = Searched(point.x, cost, status, num_steps, point.residuals, point.jacobian)
    return jax.tree.map(lambda leaf: leaf[order], searched)


class Best(NamedTuple):
    """The best point, in flat parameters, with its uncertainty for residuals of unit variance."""

    x: Float[Array, " params"]
    residuals: Float[Array, " residuals"]
    jacobian: Float[Array, "residuals params"]
    covariance: Covariance
    at_bound: Bool[Array, " params"]
    status: Int[Array, ""]


def best_of(searched: Searched, lower: Array, upper: Array) -> Best:
    """The first of the sorted starts; NaN where none succeeded."""
    x, residuals, jacobian = searched.x[0], searched.residuals[0], searched.jacobian[0]
    found = jnp.isfinite(searched.cost[0])
    covariance = covariance_of(jnp.where(found, jacobian, 0))
    status = status_of(searched.status[0], found, covariance)
    held = found & held_by_bounds(x, jacobian.T @ residuals, lower, upper)
    blank = lambda leaf: jnp.where(found, leaf, jnp.nan)
    return Best(blank(x), blank(residuals), blank(jacobian), covariance, held, status)


def status_of(code: Array, found: Array, covariance: Covariance) -> Int[Array, ""]:
    """An `EstimationStatus` from how the minimiser ended."""
    complete = jnp.all(covariance.identifiable)
    converged = jnp.where(complete, EstimationStatus.CONVERGED, EstimationStatus.UNIDENTIFIABLE)
    status = jnp.where(code == LeastSquaresStatus.CONVERGED, converged, EstimationStatus.MAX_STEPS)
    status = jnp.where(code == LeastSquaresStatus.STALLED, EstimationStatus.STALLED, status)
    return jnp.where(found, status, EstimationStatus.NO_START_SUCCEEDED).astype(jnp.int32)
