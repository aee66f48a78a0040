"""A Gaussian at the mode."""

from typing import Any

import jax
import jax.numpy as jnp

from ..equations.keys import as_key
from ..training.checks import as_count
from .compiled import compiled
from .draws import Draws
from .gaussian_draws import gaussian_log_prob, importance
from .inference_status import InferenceStatus
from .map_estimate import map_estimate, minus_hessian
from .posterior import Posterior
from .starting_points import check_posterior


def laplace(
    posterior: Posterior,
    *,
    key: Any,
    num_samples: int = 1000,
    num_starts: int = 8,
    init: Any = None,
    max_steps: int = 500,
) -> Draws:
    r"""Approximate the posterior by the Gaussian at its mode on the unconstrained space, $N(\hat u, H^{-1})$.

    $H$ is the Hessian of $-\log p(u \mid y)$ at its maximum $\hat u$, Jacobian included; draws are mapped back to the
    parameters. The evidence follows as

    .. math:: \log Z \approx \log p(\hat u, y) + \tfrac{d}{2} \log 2\pi - \tfrac12 \log\det H .

    Parameters
    ----------
    posterior
        A `Posterior`.
    key
        Integer seed or PRNG key.
    num_samples
        Independent draws.
    num_starts, init, max_steps
        Of the search for the mode; see `map_estimate`.

    Returns
    -------
    `Draws` of one chain. `info`: `mode` (dim,), `hessian` and `covariance` (dim, dim), `log_evidence`, `pareto_k`
    (above 0.7 the Gaussian is not good enough to be corrected by weights), `failed` (the share of the draws whose
    likelihood could not be evaluated) and `status`, an `InferenceStatus` code.
    Where the Hessian is not positive definite, draws, covariance and evidence are NaN and the status says so.
    `stats`: `lp` and `log_weight`, normalised importance weights of the draws.

    Raises
    ------
    TypeError, ValueError
        As `map_estimate`.

    Notes
    -----
    Exact for a posterior that is Gaussian on the unconstrained space. Costs the search, `dim` gradients and one density
    per draw. The evidence is right only with normalised priors and likelihoods, and not where there are several modes.

    References
    ----------
    Tierney & Kadane, Accurate approximations for posterior moments and marginal densities, JASA 81 (1986).
    """
    check_posterior(posterior, "laplace")
    key = as_key(key, "laplace")
    num_samples = as_count(num_samples, "num_samples")
    key_mode, key_draws = jax.random.split(key)
    mode = map_estimate(posterior, key=key_mode, num_starts=num_starts, init=init, jacobian=True, max_steps=max_steps)
    positions, stats, info = _draw(posterior, mode.position, mode.log_density, mode.status, key_draws, num_samples)
    return Draws(posterior, positions, method="laplace", stats=stats, info=info, correlated=False)


@compiled
def _draw(posterior, mode, log_density, status, key, num_samples):
    hessian = minus_hessian(posterior, mode, True)
    factor = jnp.linalg.cholesky(hessian)
    definite = jnp.all(jnp.isfinite(factor))
    inverse = jax.scipy.linalg.solve_triangular(factor, jnp.eye(mode.size, dtype=mode.dtype), lower=True)
    covariance = inverse.T @ inverse
    noise = jax.random.normal(key, (num_samples, mode.size), mode.dtype)
    positions = mode + noise @ inverse
    log_q = gaussian_log_prob(positions, mode, jnp.linalg.cholesky(covariance))
    found = importance(posterior, positions, log_q)
    evidence = log_density + 0.5 * mode.size * jnp.log(2 * jnp.pi) - jnp.sum(jnp.log(jnp.diag(factor)))
    bad = (status == int(InferenceStatus.CONVERGED)) & ~definite
    info = {
        "mode": mode,
        "hessian": hessian,
        "covariance": covariance,
        "log_evidence": evidence,
        "pareto_k": found["pareto_k"],
        "failed": found["failed"],
        "status": jnp.where(bad, int(InferenceStatus.NOT_A_MAXIMUM), status).astype(jnp.int32),
    }
    return positions[None], {"lp": found["log_p"][None], "log_weight": found["log_weights"][None]}, info
