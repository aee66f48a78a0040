"""Random-walk Metropolis with an adapted covariance."""

import os
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from .chain_options import check_probability
from .chains import run_chains
from .draws import Draws
from .kernel import AbstractKernel, Stage
from .posterior import Posterior


class MetropolisState(NamedTuple):
    """Of one chain."""

    chain: Any
    """BlackJAX's (position, log density)."""
    log_scale: Array
    mean: Array
    covariance: Array
    count: Array


class MetropolisKernel(AbstractKernel):
    """BlackJAX's additive random walk; scale and covariance are adapted during the warmup."""

    target_accept: float = eqx.field(static=True)

    @property
    def name(self) -> str:
        """How results call the method."""
        return "metropolis"

    def init(self, post: Posterior, position: Array) -> MetropolisState:
        """The state of a chain at its start."""
        from blackjax.mcmc.random_walk import init

        zero = jnp.zeros((), position.dtype)
        start = 0.01 * jnp.eye(post.dim, dtype=position.dtype)
        scale = zero + np.log(2.38 / np.sqrt(post.dim))
        return MetropolisState(init(position, post.log_density), scale, position, start, zero)

    def step(self, post: Posterior, key: Any, state: MetropolisState, stage: Stage) -> tuple:
        """A transition."""
        from blackjax.mcmc.random_walk import build_additive_step

        factor = jnp.exp(state.log_scale) * jnp.linalg.cholesky(state.covariance)
        move = lambda key, position: factor @ jax.random.normal(key, position.shape, position.dtype)
        proposed: list = []

        def log_density(position):
            # BlackJAX returns the state that was kept; whether the proposal failed is seen here only.
            proposed.append(post.log_density(position))
            return proposed[-1]

        chain, info = build_additive_step()(key, state.chain, log_density, move)
        accepted = jnp.where(jnp.isfinite(info.acceptance_rate), info.acceptance_rate, 0)
        stats = {
            "lp": chain.logdensity,
            "acceptance_rate": accepted,
            "accepted": info.is_accepted,
            "n_steps": jnp.asarray(1),
            "failed": jnp.isneginf(proposed[-1]),
        }
        adapted = self._adapt(state, chain, accepted)
        kept = state._replace(chain=chain)
        new = jax.tree.map(lambda a, b: jnp.where(stage.warmup, a, b), adapted, kept)
        return new, chain.position, stats

    def _adapt(self, state: MetropolisState, chain: Any, accepted: Array) -> MetropolisState:
        """A Robbins-Monro step for the scale, and for mean and covariance, with gains that vanish."""
        count = state.count + 1
        gain = jnp.minimum(count**-0.6, 0.5)
        away = chain.position - state.mean
        covariance = state.covariance + gain * (jnp.outer(away, away) - state.covariance)
        # Never singular, also while few proposals were accepted.
        covariance = covariance + 1e-9 * (1 + jnp.trace(covariance)) * jnp.eye(away.size, dtype=away.dtype)
        return MetropolisState(
            chain, state.log_scale + gain * (accepted - self.target_accept), state.mean + gain * away, covariance, count
        )

    def tuned(self, state: MetropolisState) -> dict[str, Array]:
        """What the warmup has found."""
        return {"step_size": jnp.exp(state.log_scale), "covariance": state.covariance}

    def schedule(self, num_warmup: int) -> tuple:
        """Nothing happens in windows."""
        return np.zeros(num_warmup, bool), np.zeros(num_warmup, bool)


def metropolis(
    posterior: Posterior,
    *,
    num_samples: int = 10_000,
    num_warmup: int | None = None,
    num_chains: int = 4,
    key: Any,
    target_accept: float = 0.234,
    init: PyTree = None,
    chains_per_group: int | None = None,
    devices: Any = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike | None = None,
) -> Draws:
    r"""Draw from a posterior by random-walk Metropolis with adapted covariance; needs no gradients.

    A proposal $u' = u + s\,L z$, $z \sim N(0, I)$, is accepted with probability $\min(1, p(u')/p(u))$. During the
    warmup $L L^T$ follows the covariance of the chain, and $s$ the acceptance rate; then both are fixed.

    Parameters
    ----------
    posterior
        What `posterior` made.
    num_samples, num_warmup
        Transitions of each chain that are kept, and that adapt and are dropped (None: half of `num_samples`).
    num_chains, key
        As for `nuts`.
    target_accept
        Acceptance rate aimed at; 0.234 is best for many parameters, 0.44 for one.
    init, chains_per_group, devices, progress, checkpoint
        As for `nuts`.

    Returns
    -------
    `Draws`.

    Raises
    ------
    ValueError, TypeError
        For wrong options, and where no start has a finite density.

    Notes
    -----
    One density per transition, and of the order of 10 dim transitions per effective draw: for a few parameters, or
    likelihoods without derivatives. Otherwise `nuts`.

    References
    ----------
    Haario, Saksman & Tamminen, An adaptive Metropolis algorithm, Bernoulli 7 (2001) 223-242; Andrieu & Thoms, A
    tutorial on adaptive MCMC, Statistics and Computing 18 (2008) 343-373.
    """
    check_probability(target_accept, "target_accept")
    return run_chains(
        posterior,
        MetropolisKernel(target_accept),
        num_warmup=max(num_samples // 2, 1) if num_warmup is None else num_warmup,
        num_samples=num_samples,
        num_chains=num_chains,
        key=key,
        init=init,
        chains_per_group=chains_per_group,
        devices=devices,
        progress=progress,
        checkpoint=checkpoint,
    )
