"""Warmup of the Hamiltonian samplers: step size by dual averaging, mass matrix from draws and gradients in windows."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .kernel import Stage

_FIRST_WINDOW = 10
_GAMMA, _DELAY, _KAPPA = 0.15, 10.0, 0.75
"""Of dual averaging. Three times the usual gamma: a step size that swings far meets regions where solves are long."""


class StepState(NamedTuple):
    """Nesterov's dual averaging of log step sizes."""

    log_step: Array
    log_average: Array
    error: Array
    count: Array
    anchor: Array


class Moments(NamedTuple):
    """Running moments of one window (Welford)."""

    count: Array
    mean: Array
    spread: Array
    """Sums of squares (dim,), or of outer products (dim, dim)."""
    gradient_mean: Array
    gradient_spread: Array


class AdaptationState(NamedTuple):
    """Of one chain."""

    step: StepState
    moments: Moments
    inverse_mass: Array
    """(dim,) or (dim, dim): the estimate in use."""


class WindowAdaptation(eqx.Module):
    r"""Step size and mass matrix of one chain.

    After every window, twice as long as the one before, $M^{-1}_{ii} = \sqrt{\mathrm{var}(u_i) / \mathrm{var}(g_i)}$,
    with $g$ the gradient of the log density: exact for independent Gaussians however few the draws, so that a bad start
    is soon forgotten. A full matrix is the covariance of the window, shrunk towards that diagonal or, where there was a
    full matrix before, towards its correlations.

    References
    ----------
    Hoffman & Gelman, JMLR 15 (2014), section 3.2 (step size); Seyboldt, Carlson & Carpenter, Preconditioning
    Hamiltonian Monte Carlo by minimizing Fisher divergence (mass matrix).
    """

    target_accept: float = eqx.field(static=True)
    dense: bool = eqx.field(static=True)
    curvature: bool = eqx.field(static=True)
    """Whether the first mass matrix is found from the curvature at the start, outside of this class."""
    step_size: Float[Array, ""]
    """Where dual averaging starts."""
    inverse_mass: Array | None

    def init(self, dim: int, dtype: Any, found: Array | None = None) -> AdaptationState:
        """At the start of a chain; `found` is a full inverse mass matrix to start with."""
        if found is not None:
            inverse = found if self.dense else 1 / jnp.diagonal(jnp.linalg.inv(found))
        else:
            ones = jnp.eye(dim, dtype=dtype) if self.dense else jnp.ones(dim, dtype)
            inverse = ones if self.inverse_mass is None else jnp.asarray(self.inverse_mass, dtype)
        log_step = jnp.log(jnp.asarray(self.step_size, dtype))
        ahead = np.log(10.0) if found is None else np.log(3.0)
        return AdaptationState(_restart(log_step, ahead), _no_moments(dim, self.dense, dtype), inverse)

    def current_step_size(self, state: AdaptationState, stage: Stage) -> Float[Array, ""]:
        """During the warmup the one that is being tried, then the averaged one."""
        return jnp.exp(jnp.where(stage.warmup, state.step.log_step, state.step.log_average))

    def update(
        self, state: AdaptationState, stage: Stage, position: Array, gradient: Array, acceptance: Array
    ) -> AdaptationState:
        """After a transition."""
        step = _choose(stage.warmup, self._averaged(state.step, acceptance), state.step)
        moments = _choose(stage.slow, _gathered(state.moments, position, gradient), state.moments)
        # Mass matrices of later windows differ little from those before: the step size is searched nearby.
        return AdaptationState(
            _choose(stage.window_end, _restart(step.log_average, 0.0), step),
            _choose(stage.window_end, _no_moments(position.size, self.dense, position.dtype), moments),
            jnp.where(stage.window_end, _estimate(moments, state.inverse_mass), state.inverse_mass),
        )

    def _averaged(self, state: StepState, acceptance: Array) -> StepState:
        count = state.count + 1
        rate = jnp.where(jnp.isfinite(acceptance), acceptance, 0)
        weight = 1 / (count + _DELAY)
        error = (1 - weight) * state.error + weight * (self.target_accept - rate)
        log_step = state.anchor - jnp.sqrt(count) / _GAMMA * error
        eta = count**-_KAPPA
        average = eta * log_step + (1 - eta) * state.log_average
        return StepState(log_step, average, error, count, state.anchor)


def window_schedule(num_warmup: int) -> tuple[np.ndarray, np.ndarray]:
    """`slow` and `window_end` for every transition of the warmup.

    A tenth of the warmup (at most 50 transitions) is for the last step size alone. Before that windows double in
    length; the last takes what is left over.
    """
    slow, ends = np.zeros(num_warmup, bool), np.zeros(num_warmup, bool)
    if num_warmup < 2 * _FIRST_WINDOW:
        return slow, ends
    last = num_warmup - max(min(num_warmup // 10, 50), 5)
    slow[_FIRST_WINDOW // 2 : last] = True
    start, length = _FIRST_WINDOW // 2, _FIRST_WINDOW
    while start < last:
        end = start + length
        end = last if end + 2 * length > last else end
        ends[end - 1] = True
        start, length = end, 2 * length
    return slow, ends


def _restart(log_step: Array, ahead: float) -> StepState:
    zero = jnp.zeros_like(log_step)
    return StepState(log_step, log_step, zero, zero, log_step + ahead)


def _no_moments(dim: int, dense: bool, dtype: Any) -> Moments:
    zero = jnp.zeros(dim, dtype)
    spread = jnp.zeros((dim, dim), dtype) if dense else zero
    return Moments(jnp.zeros((), dtype), zero, spread, zero, zero)


def _gathered(moments: Moments, position: Array, gradient: Array) -> Moments:
    count = moments.count + 1
    away = position - moments.mean
    mean = moments.mean + away / count
    new = position - mean
    spread = moments.spread + (jnp.outer(new, away) if moments.spread.ndim == 2 else new * away)
    steep = gradient - moments.gradient_mean
    gradient_mean = moments.gradient_mean + steep / count
    gradient_spread = moments.gradient_spread + steep * (gradient - gradient_mean)
    return Moments(count, mean, spread, gradient_mean, gradient_spread)


def _estimate(moments: Moments, before: Array) -> Array:
    """The inverse mass matrix of a window; what cannot be estimated stays as it was."""
    dense = moments.spread.ndim == 2
    variance = jnp.diagonal(moments.spread) if dense else moments.spread
    ratio = variance / jnp.where(moments.gradient_spread > 0, moments.gradient_spread, 1)
    good = (moments.gradient_spread > 0) & (variance > 0) & jnp.isfinite(ratio)
    diagonal = jnp.where(good, jnp.sqrt(jnp.where(good, ratio, 1)), jnp.diagonal(before) if dense else before)
    diagonal = jnp.clip(diagonal, 1e-12, 1e12)
    if not dense:
        return diagonal
    dim = diagonal.size
    covariance = moments.spread / jnp.maximum(moments.count - 1, 1)
    weight = moments.count / (moments.count + 5.0 + dim)
    # Correlations that were known before say more than few draws; their scales follow the window.
    root = jnp.sqrt(jnp.diagonal(before))
    correlation = before / jnp.outer(root, root)
    correlated = jnp.any(jnp.abs(correlation - jnp.eye(dim)) > 1e-3)
    moved = (variance > 0) & jnp.isfinite(variance)
    variances = jnp.where(moved, jnp.diagonal(covariance), jnp.diagonal(before))
    target = jnp.where(correlated, correlation * jnp.sqrt(jnp.outer(variances, variances)), jnp.diag(diagonal))
    return weight * covariance + (1 - weight) * target


def _choose(condition: Array, new: Any, old: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)
