"""Gaussians along the way to the modes."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..equations.keys import as_key
from ..training.checks import as_count
from .compiled import compiled
from .draws import Draws
from .gaussian_draws import importance, log_mean_weight
from .inference_status import InferenceStatus
from .posterior import Posterior
from .starting_points import check_posterior, starting_points

LINE_SEARCH_STEPS = 30
"""Evaluations of one line search at most; BlackJAX's default is 1000, which a solver that fails would use up."""


def pathfinder(
    posterior: Posterior,
    *,
    key: Any,
    num_paths: int = 4,
    num_samples: int = 1000,
    num_elbo_samples: int = 30,
    max_steps: int = 60,
    init: Any = None,
    resample: bool = True,
) -> Draws:
    r"""Approximate the posterior by the best Gaussians met on L-BFGS paths from several starts (multi-path Pathfinder).

    Along each path from the tail towards a mode, the iterates' positions, gradients and inverse Hessians define normal
    approximations. The one with the largest evidence lower bound is kept, each path draws from its own, and the
    draws are resampled by Pareto-smoothed weights $p/q$.

    Parameters
    ----------
    posterior
        A `Posterior`.
    key
        Integer seed or PRNG key.
    num_paths
        Searches, run side by side.
    num_samples
        Draws returned; each path makes as many for the weights.
    num_elbo_samples
        Draws that estimate the bound at every iterate.
    max_steps
        Steps of a path.
    init
        Starts instead of likely draws from the priors: parameters (one, or with a leading axis of `num_paths`), or
        positions.
    resample
        False leaves out the weights: `num_samples` draws of every path, the paths as chains.

    Returns
    -------
    `Draws`. `stats`: `lp`. `info`: `pareto_k` of the weights (above 0.7 do not trust the draws; below, they are
    corrected), `failed` (the share of the draws before resampling whose likelihood could not be evaluated),
    `log_evidence` (an estimate, by the mean weight), `elbo`, `mean` and `covariance` of every path, leaves
    (num_paths, ...), and `status`, an `InferenceStatus` code.

    Raises
    ------
    TypeError, ValueError
        For what is no posterior, starts of wrong names or shapes or without a finite density, counts that are not
        positive.

    Notes
    -----
    Costs `num_paths * max_steps * (num_elbo_samples + a few)` densities, batched, and no warmup: a start for chains,
    `nuts(post, init=draws, key=0)`, and a look at the posterior. Not the last word: a Gaussian per path
    (mapped through the priors' transforms) knows no curved ridges; look at `pareto_k`.

    References
    ----------
    Zhang, Carpenter, Gelman & Vehtari, Pathfinder: parallel quasi-Newton variational inference, JMLR 23 (2022).
    """
    check_posterior(posterior, "pathfinder")
    key = as_key(key, "pathfinder")
    counts = {"num_paths": num_paths, "num_samples": num_samples, "max_steps": max_steps}
    num_paths, num_samples, max_steps = (as_count(value, name) for name, value in counts.items())
    key_start, key_path, key_draw = jax.random.split(key, 3)
    starts = starting_points(posterior, key_start, num_paths, init)
    sizes = (as_count(num_elbo_samples, "num_elbo_samples"), max_steps)
    paths = best_gaussians(posterior, starts, key_path, *sizes)
    positions, stats, info = _draw(posterior, paths, key_draw, num_samples, resample)
    return Draws(posterior, positions, method="pathfinder", stats=stats, info=info, correlated=False)


@compiled
def best_gaussians(
    posterior: Posterior, starts: Float[Array, "paths dim"], key: Any, num_elbo_samples: int, max_steps: int
) -> tuple[Array, Array, Array]:
    """Of every path the mean, the covariance and the bound of its best Gaussian; NaN, NaN, -inf for a failed path."""
    from blackjax.vi import pathfinder as blackjax_pathfinder

    def one(start, key):
        found: Any = blackjax_pathfinder.approximate(
            key,
            posterior.log_density,
            start,
            num_elbo_samples,
            maxiter=max_steps,
            maxls=LINE_SEARCH_STEPS,
            ftol=1e-10 if start.dtype == jnp.float64 else 1e-6,
        )
        state = found[0]
        covariance = jnp.diag(state.alpha) + state.beta @ state.gamma @ state.beta.T
        # The state's gradient is that of minus the log density.
        mean = state.position - covariance @ state.grad_position
        fine = jnp.isfinite(state.elbo) & jnp.all(jnp.isfinite(jnp.linalg.cholesky(covariance)))
        return mean, covariance, jnp.where(fine & jnp.all(jnp.isfinite(mean)), state.elbo, -jnp.inf)

    return jax.vmap(one)(starts, jax.random.split(key, len(starts)))


@compiled
def _draw(posterior, paths, key, num_samples, resample):
    means, covariances, elbos = paths
    key_noise, key_choice = jax.random.split(key)
    fine = jnp.isfinite(elbos)
    factors = jnp.linalg.cholesky(covariances)
    # A path that failed takes the place of the best one, with weights of zero where weights are used.
    best = jnp.argmax(elbos)
    means, factors = (jnp.where(_like(fine, leaf), leaf, leaf[best]) for leaf in (means, factors))
    noise = jax.random.normal(key_noise, (len(elbos), num_samples, posterior.dim), means.dtype)
    positions = means[:, None] + jnp.einsum("pij,psj->psi", factors, noise)
    volume = jnp.sum(jnp.log(jnp.diagonal(factors, axis1=1, axis2=2)), axis=1) + 0.5 * posterior.dim * jnp.log(
        2 * jnp.pi
    )
    log_q = jnp.where(fine[:, None], -0.5 * jnp.sum(noise**2, axis=2) - volume[:, None], jnp.inf)
    flat = positions.reshape(-1, posterior.dim)
    found = importance(posterior, flat, log_q.ravel())
    log_p, kept = found["log_p"].reshape(log_q.shape), positions
    if resample:
        chosen = jax.random.choice(key_choice, len(flat), (num_samples,), p=jnp.exp(found["log_weights"]))
        log_p, kept = found["log_p"][chosen][None], flat[chosen][None]
    status = jnp.where(jnp.any(fine), int(InferenceStatus.CONVERGED), int(InferenceStatus.NON_FINITE_START))
    info = {
        "pareto_k": found["pareto_k"],
        "failed": found["failed"],
        "log_evidence": log_mean_weight(found["log_p"], log_q.ravel())
        + jnp.log(len(fine) / jnp.maximum(fine.sum(), 1)),
        "elbo": elbos,
        "mean": means,
        "covariance": covariances,
        "status": status.astype(jnp.int32),
    }
    return kept, {"lp": log_p}, info


def _like(mask: Array, leaf: Array) -> Array:
    return mask.reshape(mask.shape + (1,) * (leaf.ndim - 1))
