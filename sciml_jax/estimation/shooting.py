"""Single shooting: solve the whole interval for every trial of the parameters."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..core.data import Data
from ..training.bounded_least_squares import BoundedLevenbergMarquardt
from .estimate import Task, make_estimate, make_task, run_compiled
from .result import Estimate
from .search import best_of, search
from .unknowns import template_of


def shooting(
    model: Any,
    *,
    data: Data,
    bounds: tuple[PyTree, PyTree] | None = None,
    starts: int | PyTree = 1,
    initial: PyTree = None,
    key: Any = None,
    method: Any = None,
    optimizer: BoundedLevenbergMarquardt = BoundedLevenbergMarquardt(),
    prior: tuple[PyTree, PyTree] | None = None,
    penalty: Callable | None = None,
    horizons: int | Sequence[float] | None = None,
    **options: Any,
) -> Estimate:
    r"""Fit a model to data by bounded least squares from several starts at once.

    Minimises $\tfrac12 \sum ((\text{prediction} - \text{measured}) / \text{noise})^2$ over the measured values. All
    starts are lanes of one compiled program: a batch of solves with forward sensitivities per iteration. A solve that
    fails counts as an infinitely bad trial.

    Parameters
    ----------
    model
        A problem, whose `args` are fitted (all their float leaves); or a function `params -> problem`, which may use
        them anywhere, initial states included; or `params -> predictions` of the shape of `ys`. With `inputs` in the
        data, `(params, inputs) -> ...`, for one experiment.
    data
        A `Data`.
    bounds
        `(lower, upper)`: pytrees like the parameters whose leaves broadcast, vectors or numbers; infinite ones are
        none.
    starts
        How many, drawn from a Latin hypercube between the bounds (uniform in the coordinates of the optimizer's
        transform), the first one at the guess where there is one; or the starts themselves, parameters with their
        number in front of every leaf.
    initial
        The guess; None: the problem's `args`, or none for a function, whose parameters are then like the bounds.
    key
        Integer seed or PRNG key, needed to draw starts.
    method
        For `sj.solve`; None: the problem's default. Name a stiff method for a stiff problem.
    optimizer
        `sj.training.BoundedLevenbergMarquardt(...)`; its `transform=sj.training.Log()` suits rates.
    prior
        `(mean, standard deviation)`, like the parameters (infinite deviations: none): normal priors, which make the fit
        a maximum of the posterior. Give `noise` too, or the data count as if their noise were 1.
    penalty
        `params -> residuals`, appended to those of the data (Tikhonov regularisation).
    horizons
        Fit in stages, each from where the one before ended: times up to which data are used, increasing (all of them
        are used in the end); or a number of stages of equal length. For oscillations and explosive models.
    **options
        For `sj.solve`: `rtol`, `atol`, `max_steps`, `events`, `adjoint`, ... A bad trial costs `max_steps` steps, and
        the others wait for it: lower it if many fail.

    Returns
    -------
    Estimate
        With `params`, `standard_errors`, `covariance`, `status`, `starts`; `print(fit.summary())`.

    Raises
    ------
    ValueError
        For crossed bounds, fewer values than unknowns, times outside the problem, series that do not fit the state, and
        whatever `Data` refuses.
    TypeError
        For what is no model, `Data`, optimizer or option of the solve.

    Notes
    -----
    Cost per iteration and start: one solve and P tangents of it. Memory: residuals times P per start. Not for networks
    (`training.fit`); on long chaotic or oscillating records it finds local minima: `multiple_shooting`, `horizons`.
    Under `vmap` and `jit` as well (over `Data`, say, for a bootstrap); checks of values need concrete ones.

    References
    ----------
    Raue et al., Lessons learned from quantitative dynamical modeling in systems biology, PLoS ONE 8 (2013) e74335.
    """
    template = template_of(model, initial, bounds)
    task = make_task(model, data, bounds, starts, template, key, optimizer, prior, penalty, method, options)
    stages = None if horizons is None else as_horizons(horizons, data, model)
    return run_compiled(_shoot, task, stages)


def _shoot(task: Task, stages: Any) -> Estimate:
    objective, lower, upper = task.objective, task.lower, task.upper
    if stages is None:
        searched = search(objective.linearise(), task.starts, lower, upper, task.optimizer)
        return make_estimate(task, searched, best_of(searched, lower, upper))

    def stage(starts, horizon):
        searched = search(objective.linearise(horizon), starts, lower, upper, task.optimizer)
        # Where a stage could not be solved, the next one tries from the same place.
        return jnp.where(jnp.isfinite(searched.cost)[:, None], searched.x, starts), searched

    _, all_searched = jax.lax.scan(stage, task.starts, stages)
    searched = jax.tree.map(lambda leaf: leaf[-1], all_searched)
    return make_estimate(task, searched, best_of(searched, lower, upper))


def as_horizons(horizons: Any, data: Data, model: Any) -> Any:
    """Ends of all stages; the last is that of the data."""
    if isinstance(horizons, int) and not isinstance(horizons, bool):
        if horizons < 1:
            msg = f"`horizons` must be a positive number of stages or increasing times; got {horizons}."
            raise ValueError(msg)
        begin = getattr(model, "t0", None)
        begin = jnp.min(data.ts[:, 0]) if begin is None else begin
        return begin + (_last(data) - begin) * jnp.arange(1, horizons + 1) / horizons
    times = jnp.asarray(horizons, data.ts.dtype)
    if times.ndim != 1 or not times.size:
        msg = f"`horizons` must be a number of stages or a vector of times; got {horizons!r}."
        raise ValueError(msg)
    return jnp.concatenate([times, _last(data)[None]])


def _last(data: Data) -> Any:
    """The time furthest from the beginning."""
    return jnp.where(data.ts[0, -1] >= data.ts[0, 0], jnp.max(data.ts), jnp.min(data.ts))
