"""Variational inference with Gaussians on the unconstrained space."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array

from ..core.checks import check_instance
from ..equations.keys import as_key
from ..training.checks import as_count
from ..training.run import run
from ..training.status import FitStatus
from .compiled import compiled
from .draws import Draws
from .gaussian_draws import importance
from .gaussian_families import AbstractGaussianFamily, MeanField
from .inference_status import InferenceStatus
from .pathfinder import best_gaussians
from .posterior import Posterior
from .starting_points import check_positive, check_posterior, starting_points

NUM_PATHS, PATH_STEPS, PATH_DRAWS = 4, 60, 20
"""Size of the Pathfinder run that the Gaussians are relative to."""


def advi(
    posterior: Posterior,
    *,
    key: Any,
    family: AbstractGaussianFamily | None = None,
    num_steps: int = 2000,
    num_elbo_samples: int = 16,
    learning_rate: Any = 0.05,
    num_samples: int = 1000,
    init: Any = None,
    tol: float = 0.05,
) -> Draws:
    r"""Fit a Gaussian on the unconstrained space by maximising the evidence lower bound.

    .. math:: \mathcal{L}(q) = \mathrm{E}_q[\log p(u, y) - \log q(u)] = \log Z - \mathrm{KL}(q \,\|\, p(u \mid y)) .

    Gradients are pathwise with the score term left out ("sticking the landing"), which has no noise left where $q$
    equals the posterior; the steps are Adam's with a rate that decays along a cosine, and the result is the mean over
    their last quarter. The start, and the scale in which
    the parameters are of order one, is the best Gaussian of a short `pathfinder` run.

    Parameters
    ----------
    posterior
        A `Posterior`.
    key
        Integer seed or PRNG key.
    family
        `MeanField()` (default), `FullRank()` or `LowRank(rank)`.
    num_steps
        Adam steps.
    num_elbo_samples
        Draws per step.
    learning_rate
        Of the first step, in units of the starting Gaussian's standard deviations.
    num_samples
        Independent draws from the fit.
    init
        Where the search for the starting Gaussian begins, instead of likely draws from the priors: parameters or a
        position.
    tol
        The bound (in nats) may differ by so much, and three standard errors (four `tol` at most), between 70-80 % and
        the last 10 % of the steps; else the status says that it did not converge.

    Returns
    -------
    `Draws` of one chain. `info`: `mean` (dim,), `covariance` (dim, dim) and `variance` (dim,) of the Gaussian; `elbo`
    (num_steps,), its estimate at every step; `elbo_final` and `elbo_error`, from the draws; `pareto_k` (above 0.7 the
    fit is too far from the posterior to be corrected by weights); `failed`, the fraction of draws whose likelihood
    fails; and `status`, an `InferenceStatus` code. `stats`: `lp`, `log_weight`.

    Raises
    ------
    TypeError, ValueError
        For what is no posterior or family, starts of wrong names or shapes or without a finite density, counts and
        rates that are not positive.

    Notes
    -----
    Costs `num_steps * num_elbo_samples` densities with gradients, batched, beside the start. Draws whose likelihood
    fails are left out of the bound. Variances of `MeanField` are too small where parameters are correlated, and no
    Gaussian has a posterior's skewness or several modes: use `nuts` for figures that matter.

    References
    ----------
    Kucukelbir, Tran, Ranganath, Gelman & Blei, Automatic differentiation variational inference, JMLR 18 (2017).
    Roeder, Wu & Duvenaud, Sticking the landing, NeurIPS (2017).
    """
    check_posterior(posterior, "advi")
    family = MeanField() if family is None else family
    check_instance(family, AbstractGaussianFamily, "family", "sj.inference.FullRank()")
    key = as_key(key, "advi")
    counts = {"num_steps": num_steps, "num_elbo_samples": num_elbo_samples, "num_samples": num_samples}
    sizes = tuple(as_count(value, name) for name, value in counts.items())
    check_positive(learning_rate, "learning_rate")
    check_positive(tol, "tol")
    key_start, key_run = jax.random.split(key)
    starts = starting_points(posterior, key_start, NUM_PATHS, init)
    positions, stats, info = _fit(posterior, family, starts, key_run, sizes, learning_rate, tol)
    return Draws(posterior, positions, method="advi", stats=stats, info=info, correlated=False)


@compiled
def _fit(posterior, family, starts, key, sizes, learning_rate, tol):
    num_steps, num_elbo_samples, num_samples = sizes
    key_path, key_run, key_draw = jax.random.split(key, 3)
    centre, covariance = _reference(posterior, starts, key_path)
    basis = family.basis(covariance)
    volume = jnp.sum(jnp.log(jnp.diag(basis)))

    def terms(draws, log_q):
        """Log p - log q of draws, and where the likelihood failed."""
        log_p = jax.vmap(posterior.log_density)(centre + draws @ basis.T)
        return log_p, log_p - log_q + volume

    def loss(params, batch, key):
        del batch
        draws = family.draw(params, key, num_elbo_samples)
        log_p, values = terms(draws, family.log_prob(lax.stop_gradient(params), draws))
        fine = jnp.isfinite(log_p)
        total = jnp.sum(jnp.where(fine, values, 0.0))
        return jnp.where(jnp.any(fine), -total / jnp.maximum(jnp.sum(fine), 1), jnp.nan)

    schedule = optax.cosine_decay_schedule(learning_rate, num_steps, alpha=0.1)
    optimizer = optax.chain(optax.adam(schedule), _average_of_last(max(num_steps // 4, 1), num_steps))
    guess = family.start(posterior.dim, centre.dtype)
    fitted = run(loss, guess, optimizer=optimizer, num_steps=num_steps, key=key_run)
    params = jax.tree.map(
        lambda mean, last: jnp.where(jnp.isfinite(mean), mean, last), fitted.opt_state[1][1], fitted.params
    )
    draws = family.draw(params, key_draw, num_samples)
    log_q = family.log_prob(params, draws) - volume
    mean, shape = family.moments(params)
    covariance = basis @ shape @ basis.T
    positions = centre + draws @ basis.T
    found = importance(posterior, positions, log_q)
    info = {"mean": centre + basis @ mean, "covariance": covariance, "variance": jnp.diag(covariance)}
    info |= {"elbo": -fitted.losses, **_final_bound(found["log_p"] - log_q), "pareto_k": found["pareto_k"]}
    info["status"] = _status(fitted, tol)
    return positions[None], {"lp": found["log_p"][None], "log_weight": found["log_weights"][None]}, info


def _average_of_last(window: int, num_steps: int) -> optax.GradientTransformation:
    """Leaves updates as they are; its state is the mean of the parameters after the last `window` of the steps."""

    def init(params):
        return jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, params)

    def update(updates, state, params: Any = None):
        step, mean = state
        share = (step >= num_steps - window) / window
        moved = optax.apply_updates(params, updates)
        return updates, (step + 1, jax.tree.map(lambda m, p: m + share.astype(p.dtype) * p, mean, moved))

    return optax.GradientTransformation(init, update)


def _reference(posterior: Posterior, starts: Array, key: Any) -> tuple[Array, Array]:
    """The best Gaussian of the paths; around the first start, with deviations of 0.1, where all failed."""
    means, covariances, elbos = best_gaussians(posterior, starts, key, PATH_DRAWS, PATH_STEPS)
    best = jnp.argmax(elbos)
    fine = jnp.isfinite(elbos[best])
    narrow = 0.01 * jnp.eye(posterior.dim, dtype=starts.dtype)
    return jnp.where(fine, means[best], starts[0]), jnp.where(fine, covariances[best], narrow)


def _final_bound(values: Array) -> dict:
    """The bound with its standard error, and the fraction of draws that are left out."""
    fine = jnp.isfinite(values)
    count = jnp.maximum(jnp.sum(fine), 1)
    mean = jnp.sum(jnp.where(fine, values, 0.0)) / count
    spread = jnp.sum(jnp.where(fine, (values - mean) ** 2, 0.0)) / count
    return {"elbo_final": mean, "elbo_error": jnp.sqrt(spread / count), "failed": 1.0 - jnp.mean(fine)}


def _status(fitted: Any, tol: float) -> Array:
    """Whether the bound rests."""
    num = len(fitted.losses)
    window = max(num // 10, 1)
    before = fitted.losses[num - 3 * window : num - 2 * window] if num >= 3 * window else fitted.losses[:window]
    after = fitted.losses[num - window :]
    error = jnp.sqrt((jnp.var(before) + jnp.var(after)) / window)
    rests = jnp.abs(jnp.mean(before) - jnp.mean(after)) <= tol + jnp.minimum(3 * error, 4 * tol)
    status = jnp.where(rests, int(InferenceStatus.CONVERGED), int(InferenceStatus.BOUND_NOT_CONVERGED))
    finished = fitted.status == int(FitStatus.COMPLETED)
    return jnp.where(finished, status, int(InferenceStatus.NON_FINITE)).astype(jnp.int32)
