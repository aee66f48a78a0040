"""Draws from a Gaussian approximation, and how far they are from the posterior."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .posterior import Posterior


def gaussian_log_prob(
    positions: Float[Array, "... dim"], mean: Float[Array, " dim"], cholesky: Float[Array, "dim dim"]
) -> Float[Array, "..."]:
    """Log density of N(mean, L L^T)."""
    flat = (positions - mean).reshape(-1, mean.size)
    white = jax.scipy.linalg.solve_triangular(cholesky, flat.T, lower=True)
    volume = jnp.sum(jnp.log(jnp.abs(jnp.diag(cholesky)))) + 0.5 * mean.size * jnp.log(2 * jnp.pi)
    return (-0.5 * jnp.sum(white**2, axis=0) - volume).reshape(positions.shape[:-1])


def importance(posterior: Posterior, positions: Array, log_q: Array) -> dict[str, Any]:
    """Log densities of draws, their logarithmic weights, the Pareto index, and the share that could not be evaluated.

    The index (Vehtari, Simpson, Gelman, Yao & Gabry, Pareto smoothed importance sampling, JMLR 25 (2024)) is below 0.7
    where the approximation is good enough for its draws to be reweighted.
    """
    from blackjax.diagnostics import psis_weights

    log_p = jax.vmap(posterior.log_density)(positions)
    ratios = jnp.where(jnp.isfinite(log_p), log_p - log_q, -1e30)
    log_weights, pareto_k = psis_weights(ratios)
    # Equal weights, of an approximation that is exact where the likelihood is not zero, have no tail to fit.
    fine = ratios > -1e29
    equal = jnp.max(ratios) - jnp.min(jnp.where(fine, ratios, jnp.max(ratios))) < 1e-6
    log_weights = jnp.where(equal, jnp.where(fine, -jnp.log(jnp.sum(fine)), -jnp.inf), log_weights)
    pareto_k = jnp.where(equal, 0.0, pareto_k)
    failed = jnp.mean(jnp.all(jnp.isfinite(positions), axis=-1) & ~jnp.isfinite(log_p))
    return {"log_p": log_p, "log_weights": log_weights, "pareto_k": pareto_k, "failed": failed}


def log_mean_weight(log_p: Array, log_q: Array) -> Array:
    """The logarithm of the mean of p/q: an estimate of the evidence."""
    return jax.nn.logsumexp(jnp.where(jnp.isfinite(log_p), log_p - log_q, -jnp.inf)) - jnp.log(log_p.size)
