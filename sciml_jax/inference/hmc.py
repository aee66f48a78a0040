"""Hamiltonian Monte Carlo with paths of fixed length."""

import os
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..training.checks import as_count
from .chains import run_chains
from .draws import Draws
from .hamiltonian_kernel import AbstractHamiltonianKernel, window_adaptation
from .posterior import Posterior


class HMCKernel(AbstractHamiltonianKernel):
    """BlackJAX's HMC with window adaptation."""

    num_steps: int = eqx.field(static=True)
    jitter: float = eqx.field(static=True)

    @property
    def name(self) -> str:
        """How results call the method."""
        return "hmc"

    def follow(self, post: Posterior, key: Any, chain: Any, step_size: Array, inverse_mass: Array) -> tuple:
        """A path of `num_steps` steps."""
        import blackjax

        # Paths of one length can come back to where they began, forever: lengths vary.
        shift = jax.random.uniform(jax.random.fold_in(key, 1), (), step_size.dtype, -1.0, 1.0)
        step_size = step_size * (1 + self.jitter * shift)
        kernel = blackjax.hmc.build_kernel()
        new, info = kernel(key, chain, post.log_density, step_size, inverse_mass, self.num_steps)
        return new, {
            "acceptance_rate": info.acceptance_rate,
            "diverging": info.is_divergent,
            "energy": jnp.where(info.is_accepted, info.energy, _energy(chain, info.momentum, inverse_mass)),
            "n_steps": jnp.asarray(self.num_steps),
            "step_size": step_size,
            "failed": jnp.isneginf(info.proposal.logdensity),
        }


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
        As for `nuts`, but for the acceptance rate. With `num_warmup=0` nothing is adapted.
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
    adaptation = window_adaptation(posterior, num_warmup, target_accept, dense_mass, step_size, inverse_mass)
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
