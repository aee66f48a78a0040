"""Hamiltonian Monte Carlo with many chains that share their tuning."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from ..equations.keys import as_key
from ..training.checks import as_count
from .compiled import compiled
from .draws import Draws
from .posterior import Posterior
from .starting_points import check_positive, check_posterior, starting_points


def chees(
    posterior: Posterior,
    *,
    key: Any,
    num_warmup: int = 500,
    num_samples: int = 200,
    num_chains: int = 64,
    target_accept: float = 0.651,
    step_size: float = 0.1,
    learning_rate: float = 0.025,
    max_leapfrog: int = 500,
    init: Any = None,
) -> Draws:
    r"""Draw from a posterior by ChEES-HMC, BlackJAX's: many chains with one step size, metric and path length.

    The length is tuned by gradient ascent on the change in the squared distance from the mean,
    $\tfrac14 \mathrm{E}\big[(|u' - \mathrm{E}u|^2 - |u - \mathrm{E}u|^2)^2\big]$, estimated over the chains, the
    step size to `target_accept`, the diagonal metric from the chains' positions. Lengths are jittered along a Halton
    sequence, the same for all chains, which therefore never wait for each other.

    Parameters
    ----------
    posterior
        A `Posterior`.
    key
        Integer seed or PRNG key.
    num_warmup, num_samples
        Transitions of every chain; those of the warmup are dropped.
    num_chains
        At least 2; tens on CPUs, hundreds or thousands on accelerators.
    target_accept
        Acceptance that the step size is tuned to (harmonic mean over chains).
    step_size
        Where its tuning starts.
    learning_rate
        Of the ascent for the logarithm of the length (Adam).
    max_leapfrog
        Leapfrog steps of a path at most.
    init
        Starts instead of likely draws from the priors: parameters or positions, one or `num_chains`.

    Returns
    -------
    `Draws`. `stats`: `lp`, `acceptance_rate`, `diverging`, `energy`, `n_steps`, `failed` (the likelihood
    at a path's end). `info`: `step_size`, `inverse_mass`, `path_steps` (leapfrog steps before jitter).

    Raises
    ------
    TypeError, ValueError
        For what is no posterior, fewer than two chains, starts without a finite density, options out of range.

    Notes
    -----
    For accelerators: `num_chains` densities and gradients at a time, no trees, all lanes busy. Because the chains adapt
    together, draws depend on all of them and are not bitwise the same in other groupings. Not for a few chains on a
    CPU: use `nuts`.

    References
    ----------
    Hoffman, Radul & Sountsov, An adaptive-MCMC scheme for setting trajectory lengths in Hamiltonian Monte Carlo,
    AISTATS (2021).
    """
    check_posterior(posterior, "chees")
    key = as_key(key, "chees")
    names = {"num_warmup": num_warmup, "num_samples": num_samples, "max_leapfrog": max_leapfrog}
    sizes = tuple(as_count(value, name) for name, value in names.items())
    num_chains = as_count(num_chains, "num_chains")
    if num_chains < 2:
        msg = f"`chees` tunes over its chains and needs at least 2; got {num_chains}. Pass num_chains=64, or use nuts."
        raise ValueError(msg)
    check_positive(target_accept, "target_accept", below=1.0)
    check_positive(step_size, "step_size")
    check_positive(learning_rate, "learning_rate")
    key_start, key_run = jax.random.split(key)
    starts = starting_points(posterior, key_start, num_chains, init, every=True)
    tuning = (target_accept, step_size, learning_rate)
    positions, stats, info = _run(posterior, starts, key_run, sizes, tuning)
    return Draws(posterior, positions, method="chees", stats=stats, info=info)


@compiled
def _run(posterior, starts, key, sizes, tuning):
    import blackjax

    num_warmup, num_samples, max_leapfrog = sizes
    target_accept, step_size, learning_rate = tuning
    key_warmup, key_draws = jax.random.split(key)
    num_chains = len(starts)
    options = {"mass_matrix_estimation": "diagonal", "max_leapfrog_steps": max_leapfrog}
    warmup: Any = blackjax.chees_adaptation(
        posterior.log_density,
        num_chains,
        target_acceptance_rate=target_accept,
        adaptation_info_fn=lambda *_: None,
        **_known(blackjax.chees_adaptation, options),
    )
    (states, tuned), _ = warmup.run(
        key_warmup,
        starts,
        step_size,
        optax.adam(learning_rate),
        num_warmup,
        **_known(warmup.run, {"max_sampling_steps": num_samples}),
    )
    kernel: Any = blackjax.dynamic_hmc(posterior.log_density, **tuned).step

    def draw(states, key):
        before = states
        states, info = jax.vmap(kernel)(jax.random.split(key, num_chains), states)
        # BlackJAX reports the energy of the proposal, infinite where that failed; a rejected draw has its start's.
        kinetic = 0.5 * jnp.sum(info.momentum**2 * tuned["inverse_mass_matrix"], axis=-1)
        stats = {
            "lp": states.logdensity,
            "acceptance_rate": info.acceptance_rate,
            "diverging": info.is_divergent,
            "energy": jnp.where(info.is_accepted, info.energy, kinetic - before.logdensity),
            "n_steps": info.num_integration_steps,
            "failed": jnp.isneginf(info.proposal.logdensity),
        }
        return states, (states.position, stats)

    _, found = lax.scan(draw, states, jax.random.split(key_draws, num_samples))
    positions, stats = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), found)
    info = {"step_size": tuned["step_size"], "inverse_mass": tuned["inverse_mass_matrix"]}
    return positions, stats, info | {"path_steps": tuned["integration_steps_params"][0]}


def _known(function: Callable, options: dict) -> dict:
    """Those options that the installed BlackJAX has: the oldest supported one lacks some refinements."""
    return {name: value for name, value in options.items() if name in inspect.signature(function).parameters}
