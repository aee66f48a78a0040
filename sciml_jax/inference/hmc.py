"""Hamiltonian Monte Carlo with paths of fixed length."""

import os
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..training.checks import as_count
from .adaptation import WindowAdaptation, window_schedule
from .chain_options import check_positive_number, check_probability, choose_dense, inverse_mass_of
from .chains import run_chains
from .draws import Draws
from .kernel import AbstractKernel, Stage
from .nuts import HamiltonianState
from .posterior import Posterior


class HMCKernel(AbstractKernel):
    """BlackJAX's HMC with window adaptation."""

    adaptation: WindowAdaptation
    num_steps: int = eqx.field(static=True)
    jitter: float = eqx.field(static=True)

    @property
    def name(self) -> str:
        """How results call the method."""
        return "hmc"

    @property
    def climbs(self) -> bool:
        """The state holds a gradient."""
        return True

    def init(self, post: Posterior, position: Array) -> HamiltonianState:
        """The state of a chain at its start."""
        import blackjax

        return HamiltonianState(
            blackjax.hmc.init(position, post.log_density), self.adaptation.init(post.dim, position.dtype)
        )

    def step(self, post: Posterior, key: Any, state: HamiltonianState, stage: Stage) -> tuple:
        """A transition."""
        import blackjax

        step_size = self.adaptation.current_step_size(state.adaptation, stage)
        # Paths of one length can come back to where they began, forever: lengths vary.
        shift = jax.random.uniform(jax.random.fold_in(key, 1), (), step_size.dtype, -1.0, 1.0)
        step_size = step_size * (1 + self.jitter * shift)
        kernel = blackjax.hmc.build_kernel()
        inverse_mass = state.adaptation.inverse_mass
        chain, info = kernel(key, state.chain, post.log_density, step_size, inverse_mass, self.num_steps)
        stats = {
            "lp": chain.logdensity,
            "acceptance_rate": info.acceptance_rate,
            "diverging": info.is_divergent,
            "energy": jnp.where(info.is_accepted, info.energy, _energy(state.chain, info.momentum, inverse_mass)),
            "n_steps": jnp.asarray(self.num_steps),
            "step_size": step_size,
            "failed": jnp.isneginf(info.proposal.logdensity),
        }
        adapted = self.adaptation.update(
            state.adaptation, stage, chain.position, chain.logdensity_grad, info.acceptance_rate
        )
        return HamiltonianState(chain, adapted), chain.position, stats

    def tuned(self, state: HamiltonianState) -> dict[str, Array]:
        """What the warmup has found."""
        return {
            "step_size": jnp.exp(state.adaptation.step.log_average),
            "inverse_mass": state.adaptation.inverse_mass,
        }

    def schedule(self, num_warmup: int) -> tuple:
        """Windows that double."""
        return window_schedule(num_warmup)


def _energy(chain: Any, momentum: Array, inverse_mass: Array) -> Array:
    """The energy at the start of a path, which is that of the draw where its end was rejected."""
    velocity = inverse_mass @ momentum if inverse_mass.ndim == 2 else inverse_mass * momentum
    return 0.5 * jnp.dot(momentum, velocity) - chain.logdensity


def hmc(
    posterior: Posterior,
    *,
    num_steps: int = 16,
    num_warmup: int = 1000,
    num_samples: int = 1000,
    num_chains: int = 4,
    key: Any,
    dense_mass: bool | None = None,
    target_accept: float = 0.8,
    step_size: float = 0.1,
    jitter: float = 0.2,
    inverse_mass: Any = None,
    init: PyTree = None,
    chains_per_group: int | None = None,
    devices: Any = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike | None = None,
) -> Draws:
    r"""Draw from a posterior by Hamiltonian Monte Carlo with `num_steps` leapfrog steps per draw, BlackJAX's.

    With momentum $p \sim N(0, M)$, the leapfrog path of $H = -\log p(u \mid y) + p^T M^{-1} p / 2$ is followed for
    `num_steps` steps; its end is accepted with probability $\min(1, e^{-\Delta H})$.

    Parameters
    ----------
    posterior
        What `posterior` made.
    num_steps
        Leapfrog steps, hence gradients, of every draw.
    num_warmup, num_samples, num_chains, key, dense_mass, target_accept
        As for `nuts`. With `num_warmup=0` nothing is adapted.
    step_size, inverse_mass
        Where adaptation starts, or what is used when `num_warmup` is 0.
    jitter
        The step size of every draw is multiplied by a number drawn from (1 - jitter, 1 + jitter): paths of one length
        are periodic in some directions of a Gaussian, and then do not mix. 0 for none.
    init, chains_per_group, devices, progress, checkpoint
        As for `nuts`.

    Returns
    -------
    `Draws`. `failed` counts paths whose end failed to solve.

    Raises
    ------
    ValueError, TypeError
        For wrong options, and where no start has a finite density.

    Notes
    -----
    Every draw costs the same, so no chain waits for another: for many chains on accelerators. Differentiable in reverse
    mode with respect to data, hyperparameters, `init` and `step_size` (inside `jax.grad`): acceptances are treated as
    constants, so the result is the derivative of the draws for fixed random numbers. Not for posteriors whose scales
    differ much between regions, where one length suits none: use `nuts`.

    References
    ----------
    Neal, MCMC using Hamiltonian dynamics, in Handbook of Markov Chain Monte Carlo (2011).
    """
    check_probability(target_accept, "target_accept")
    check_positive_number(step_size, "step_size")
    dense = choose_dense(dense_mass, posterior, num_warmup, inverse_mass)
    start = inverse_mass_of(inverse_mass, posterior, dense)
    adaptation = WindowAdaptation(target_accept, dense, jnp.asarray(step_size, float), start)
    if not isinstance(jitter, (int, float)) or not 0 <= jitter < 1:
        msg = f"`jitter` must be a number from 0 to below 1; got {jitter!r}. The default is 0.2."
        raise ValueError(msg)
    kernel = HMCKernel(adaptation, as_count(num_steps, "num_steps"), float(jitter))
    return run_chains(
        posterior,
        kernel,
        num_warmup=num_warmup,
        num_samples=num_samples,
        num_chains=num_chains,
        key=key,
        init=init,
        chains_per_group=chains_per_group,
        devices=devices,
        progress=progress,
        checkpoint=checkpoint,
    )
