"""Profile likelihood: how the best fit gets worse as one parameter is held elsewhere."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from ..core.data import Data
from ..training.bounded_least_squares import BoundedLevenbergMarquardt
from .estimate import Task, make_task, run_compiled
from .quantiles import chi_square_quantile
from .result import Estimate


class Profiles(eqx.Module):
    """Profiles of Q parameters at G values each."""

    values: Float[Array, "profiles grid"]
    """Where the parameter was held, increasing; the estimate is in the middle."""
    drop: Float[Array, "profiles grid"]
    """`2 (log L_max - log L)` with the others estimated again, chi-square distributed with one degree of freedom at the
    true value. Negative where a better fit than the given one was found. NaN where it could not be solved."""
    params: Float[Array, "profiles grid params"]
    """All estimated numbers there."""
    lower: Float[Array, " profiles"]
    """Lower end of the confidence interval; minus infinity where the grid ends before the threshold is reached, unless
    it ends at a bound."""
    upper: Float[Array, " profiles"]
    """Upper end."""
    threshold: Float[Array, ""]
    """The drop at the ends."""
    status: Int[Array, "profiles grid"]
    """A `sj.training.LeastSquaresStatus` each."""
    identifiable: Bool[Array, " profiles"]
    """Whether the likelihood falls below the threshold on both sides, and locally determines the parameter at all:
    practical identifiability."""
    names: tuple[str, ...] = eqx.field(static=True)


def profile_likelihood(
    model: Any,
    fit: Estimate,
    *,
    data: Data,
    parameters: Sequence[str | int] | None = None,
    points: int = 21,
    width: float = 4.0,
    level: float = 0.95,
    method: Any = None,
    optimizer: BoundedLevenbergMarquardt = BoundedLevenbergMarquardt(),
    prior: tuple[PyTree, PyTree] | None = None,
    penalty: Callable | None = None,
    **options: Any,
) -> Profiles:
    """Profiles and confidence intervals that do not assume a linear model.

    All points of all profiles are lanes of one compiled search.

    Parameters
    ----------
    model, data, method, optimizer, prior, penalty, options
        As in the fit.
    fit
        The `Estimate` of `shooting` or `multiple_shooting`.
    parameters
        Names (of `fit.names`) or indices; None: all.
    points
        Values per profile, odd: the estimate and as many on both sides.
    width
        How far, in standard errors; not beyond the bounds of the fit. Where the standard error is infinite: to the
        bounds, or to a tenth and ten times the estimate.
    level
        Of the confidence intervals.

    Returns
    -------
    Profiles
        `values`, `drop`, `lower`, `upper`, `identifiable`.

    Raises
    ------
    ValueError
        For unknown parameters, an even number of points, and what `shooting` refuses.

    Notes
    -----
    Cost: Q G searches, each started where the linear model expects it, a few iterations. Lanes that need many hold up
    the others.

    References
    ----------
    Raue et al., Structural and practical identifiability analysis of partially observed dynamical models by exploiting
    the profile likelihood, Bioinformatics 25 (2009) 1923-1929.
    """
    if not isinstance(points, int) or points < 3 or points % 2 == 0:
        msg = f"`points` must be an odd integer of at least 3; got {points!r}. Pass, for example, 21."
        raise ValueError(msg)
    if not 0 < level < 1:
        msg = f"`level` must be between 0 and 1; got {level}. Pass 0.95 for 95 %."
        raise ValueError(msg)
    indices = _indices(fit, parameters)
    task = make_task(model, data, None, 1, (fit.params, True), None, optimizer, prior, penalty, method, options)
    task = task._replace(lower=fit.lower, upper=fit.upper)
    names = tuple(fit.names[i] for i in indices)
    found = run_compiled(_profile, task, fit, _grids(fit, indices, points, width), jnp.asarray(indices))
    drop, params, status, values = found
    threshold = chi_square_quantile(jnp.asarray(level), 1.0)
    chosen = jnp.asarray(indices)
    lower, upper, crossed = jax.vmap(_ends, in_axes=(0, 0, None, 0, 0))(
        values, drop, threshold, fit.lower[chosen], fit.upper[chosen]
    )
    return Profiles(values, drop, params, lower, upper, threshold, status, crossed & fit.identifiable[chosen], names)


def _indices(fit: Estimate, parameters: Any) -> list[int]:
    count = len(fit.names)
    if parameters is None:
        return list(range(count))
    indices = []
    for wanted in [parameters] if isinstance(parameters, (str, int)) else parameters:
        found = fit.names.index(wanted) if wanted in fit.names else wanted
        if not isinstance(found, (int, np.integer)) or not -count <= found < count:
            msg = f"`parameters` must be names or indices of estimated numbers, {', '.join(fit.names)}; got {wanted!r}."
            raise ValueError(msg)
        indices.append(int(found) % count)
    return indices


def _grids(fit: Estimate, indices: list[int], points: int, width: float) -> Array:
    x = fit.flat[jnp.asarray(indices)]
    lower, upper = fit.lower[jnp.asarray(indices)], fit.upper[jnp.asarray(indices)]
    error = jnp.sqrt(jnp.diag(fit.covariance))[jnp.asarray(indices)]
    far = 9 * jnp.maximum(jnp.abs(x), jnp.finfo(x.dtype).tiny)
    low = jnp.where(jnp.isfinite(error), x - width * error, jnp.where(jnp.isfinite(lower), lower, x - far))
    high = jnp.where(jnp.isfinite(error), x + width * error, jnp.where(jnp.isfinite(upper), upper, x + far))
    low, high = jnp.clip(low, lower, x), jnp.clip(high, x, upper)
    share = jnp.linspace(0, 1, points // 2 + 1)
    below = low[:, None] + (x - low)[:, None] * share[:-1]
    above = x[:, None] + (high - x)[:, None] * share
    return jnp.concatenate([below, above], axis=1)


def _profile(task: Task, fit: Estimate, values: Array, indices: Array) -> tuple:
    """Drops, parameters and statuses of all lanes."""
    linearise = task.objective.linearise()

    def lane(index, value):
        # With its derivative taken out the parameter stays where it is put.
        is_held = jnp.arange(fit.flat.shape[0]) == index
        hold = lambda x: jnp.where(is_held, value, x)

        def held(x):
            residuals, jacobian = linearise(hold(x))
            return residuals, jnp.where(is_held, 0, jacobian)

        slope = fit.covariance[:, index] / fit.covariance[index, index]
        start = fit.flat + jnp.where(jnp.isfinite(slope), slope, 0) * (value - fit.flat[index])
        point, status, _ = task.optimizer.minimise(held, start, task.lower, task.upper)
        cost = jnp.where(jnp.isfinite(point.cost), point.cost, jnp.nan)
        known = 2 * (cost - fit.cost)
        drop = known if fit.noise_is_known else fit.num_data * jnp.log(cost / fit.cost)
        return drop, hold(point.x), status

    lanes = jax.vmap(jax.vmap(lane, in_axes=(None, 0)))
    return (*lanes(indices, values), values)


def _ends(values: Array, drop: Array, threshold: Array, lower: Array, upper: Array) -> tuple[Array, Array, Array]:
    """Where the root of the drop, nearly linear, first reaches that of the threshold on each side."""
    middle = values.shape[0] // 2
    root, target = jnp.sqrt(jnp.maximum(drop, 0)), jnp.sqrt(threshold)

    def outwards(values, root, bound):
        over = root[1:] > target
        place = jnp.argmax(over)
        low, high = root[place], root[place + 1]
        share = (target - low) / jnp.where(high > low, high - low, 1)
        end = values[place] + share * (values[place + 1] - values[place])
        at_bound = jnp.abs(values[-1] - bound) <= 1e-9 * jnp.abs(bound)
        beyond = jnp.where(at_bound, bound, jnp.sign(values[-1] - values[0]) * jnp.inf)
        return jnp.where(jnp.any(over), end, beyond), jnp.any(over)

    left, is_left = outwards(values[: middle + 1][::-1], root[: middle + 1][::-1], lower)
    right, is_right = outwards(values[middle:], root[middle:], upper)
    return left, right, is_left & is_right
