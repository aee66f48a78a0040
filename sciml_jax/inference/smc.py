"""Particles from the priors to the posterior, through tempered likelihoods."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from ..equations.keys import as_key
from ..training.checks import as_count
from .compiled import compiled
from .draws import Draws
from .inference_status import InferenceStatus
from .posterior import Posterior
from .starting_points import check_positive, check_posterior

FIRST_TEMPER = 1e-8
"""Exponent of the likelihood at the start: the prior, without the places where the likelihood fails."""

FAILED = -1e25
"""Log-likelihood that stands for minus infinity; times `FIRST_TEMPER` it still forbids a move."""

ACCEPTANCE = 0.25
"""What the random walk's width is adapted to; between the optima for one parameter and for many."""


def smc(
    posterior: Posterior,
    *,
    key: Any,
    num_particles: int = 1000,
    num_moves: int | None = None,
    target_ess: float = 0.5,
    max_stages: int = 200,
) -> Draws:
    r"""Draw from the posterior by adaptive tempered sequential Monte Carlo, BlackJAX's, and estimate the evidence.

    Particles drawn from the priors follow the densities $\pi(u)\,\ell(u)^{\lambda}$ from $\lambda = 0$ to 1. Each stage
    raises $\lambda$ so far that the effective sample size of the weights falls to `target_ess`, resamples (systematic),
    and moves the particles by a random walk whose covariance is theirs times $2.38^2 / d$, its width adapted to
    an acceptance of a quarter. The evidence is the product of the stages' mean weights.

    Parameters
    ----------
    posterior
        A `Posterior` with proper priors.
    key
        Integer seed or PRNG key.
    num_particles
        Particles N.
    num_moves
        Random-walk steps per stage. None: `max(10, 5 * dim)`.
    target_ess
        Fraction of N, between 0 and 1; larger means more stages.
    max_stages
        Stages at most.

    Returns
    -------
    `Draws` of one chain with N draws of equal weight. `info`: `log_evidence`, of the data under normalised priors and
    likelihood; `num_stages`; `tempering`, `acceptance_rate`, `ess` (max_stages,), NaN after the last stage;
    `prior_failed`, the fraction of prior draws whose likelihood fails, and `status`, an `InferenceStatus` code.
    `stats`: `lp`.

    Raises
    ------
    TypeError, ValueError
        For what is no posterior, counts that are not positive, or a `target_ess` outside (0, 1).

    Notes
    -----
    Costs N densities per move, batched, and no gradients: for models without good gradients, several modes (each keeps
    the particles that its mass deserves, if the priors reach it), and evidences. Not for many parameters (a random walk
    needs moves in proportion), nor for priors much wider than the posterior in many directions. Relative error of the
    evidence about the square root of `num_stages / N`; run several keys (under `jax.vmap`) to see it.

    References
    ----------
    Del Moral, Doucet & Jasra, Sequential Monte Carlo samplers, JRSS B 68 (2006).
    """
    check_posterior(posterior, "smc")
    key = as_key(key, "smc")
    check_positive(target_ess, "target_ess", below=1.0)
    moves = max(10, 5 * posterior.dim) if num_moves is None else as_count(num_moves, "num_moves")
    sizes = (as_count(num_particles, "num_particles"), moves, as_count(max_stages, "max_stages"))
    positions, info = _run(posterior, key, sizes, target_ess)
    lp = _densities(posterior, positions)
    return Draws(posterior, positions[None], method="smc", stats={"lp": lp[None]}, info=info, correlated=False)


class _Stages(NamedTuple):
    """What the loop over stages carries."""

    key: Array
    sampler: Any
    width: Array
    log_evidence: Array
    stage: Array
    history: dict


@compiled
def _densities(posterior: Posterior, positions: Array) -> Array:
    return jax.vmap(posterior.log_density)(positions)


@compiled
def _run(posterior, key, sizes, target_ess):
    from blackjax.smc import adaptive_tempered, resampling
    from blackjax.smc.tempered import TemperedSMCState

    num_particles, num_moves, max_stages = sizes
    key_prior, key_first, key_stages, key_last, key_moves = jax.random.split(key, 5)

    def log_likelihood(position):
        value = posterior.log_likelihood_at(position)
        return jnp.where(jnp.isfinite(value), value, FAILED)

    step, start = _random_walk()
    kernel = adaptive_tempered.build_kernel(
        posterior.log_prior_density, log_likelihood, step, start, resampling.systematic, target_ess
    )

    def unfinished(carry):
        return (carry.sampler.tempering_param < 1.0) & (carry.stage < max_stages) & jnp.isfinite(carry.log_evidence)

    def advance(carry):
        key, now = jax.random.split(carry.key)
        factor = carry.width * _factor(carry.sampler.particles, carry.sampler.weights)
        sampler, info = kernel(now, carry.sampler, num_moves, {"factor": factor[None]})
        accepted = jnp.mean(info.update_info.acceptance_rate)
        found = {
            "tempering": sampler.tempering_param,
            "acceptance_rate": accepted,
            "ess": 1.0 / jnp.sum(sampler.weights**2),
        }
        history = {name: carry.history[name].at[carry.stage].set(value) for name, value in found.items()}
        width = carry.width * jnp.exp(jnp.clip(2.0 * (accepted - ACCEPTANCE), -1.0, 1.0))
        total = carry.log_evidence + info.log_likelihood_increment
        return _Stages(key, sampler, width, total, carry.stage + 1, history)

    particles = jax.vmap(lambda k: posterior.unconstrain(posterior.sample_prior(k)))(
        jax.random.split(key_prior, num_particles)
    )
    fine = jnp.isfinite(jax.vmap(posterior.log_likelihood_at)(particles))
    chosen = resampling.systematic(key_first, fine / jnp.maximum(fine.sum(), 1), num_particles)
    particles = particles[jnp.where(jnp.any(fine), chosen, 0)]
    number = particles.dtype
    sampler = TemperedSMCState(
        particles, jnp.full(num_particles, 1 / num_particles, number), jnp.asarray(FIRST_TEMPER, number)
    )
    names = ("tempering", "acceptance_rate", "ess")
    history = {name: jnp.full(max_stages, jnp.nan, number) for name in names}
    first = jnp.log(jnp.mean(fine)).astype(number)
    carry = _Stages(key_stages, sampler, jnp.ones((), number), first, jnp.zeros((), jnp.int32), history)
    carry = lax.while_loop(unfinished, advance, carry)
    # The last weights are still to be used, and copies to be moved apart.
    last = carry.sampler
    chosen = resampling.systematic(key_last, last.weights, num_particles)
    factor = carry.width * _factor(last.particles, last.weights)
    particles = _move(posterior, last.particles[chosen], factor, key_moves, num_moves)
    status = jnp.where(last.tempering_param < 1.0, int(InferenceStatus.TEMPERING_UNFINISHED), 0)
    status = jnp.where(jnp.any(fine), status, int(InferenceStatus.NO_PARTICLE)).astype(jnp.int32)
    info = {"log_evidence": carry.log_evidence, "num_stages": carry.stage, "prior_failed": 1.0 - jnp.mean(fine)}
    return particles, info | carry.history | {"status": status}


def _random_walk() -> tuple:
    """BlackJAX's additive random walk as a step with the proposal's factor, and its start."""
    from blackjax.mcmc import random_walk

    kernel = random_walk.build_additive_step()

    def step(key, state, logdensity_fn, factor):
        return kernel(key, state, logdensity_fn, random_walk.normal(factor))

    return step, random_walk.init


def _factor(particles: Array, weights: Array) -> Array:
    """A factor of the proposal's covariance: that of the particles, scaled for a random walk."""
    dim = particles.shape[1]
    centred = particles - weights @ particles
    covariance = (weights[:, None] * centred).T @ centred
    ridge = 1e-10 * jnp.trace(covariance) / dim + jnp.finfo(particles.dtype).tiny
    return 2.38 / jnp.sqrt(dim) * jnp.linalg.cholesky(covariance + ridge * jnp.eye(dim, dtype=particles.dtype))


def _move(posterior: Posterior, particles: Array, factor: Array, key: Array, num_moves: int) -> Array:
    """Random-walk steps of every particle at the posterior itself."""
    step, start = _random_walk()

    def one(key, particle):
        def body(state, key):
            return step(key, state, posterior.log_density, factor)[0], None

        return lax.scan(body, start(particle, posterior.log_density), jax.random.split(key, num_moves))[0].position

    return jax.vmap(one)(jax.random.split(key, len(particles)), particles)
