"""The no-U-turn sampler."""

import os
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..training.checks import as_count
from .chains import run_chains
from .draws import Draws
from .hamiltonian_kernel import AbstractHamiltonianKernel, window_adaptation
from .posterior import Posterior


class NUTSKernel(AbstractHamiltonianKernel):
    """BlackJAX's NUTS with window adaptation."""

    max_tree_depth: int = eqx.field(static=True)

    @property
    def name(self) -> str:
        """How results call the method."""
        return "nuts"

    @property
    def limits(self) -> dict[str, int]:
        """Options that the summary compares statistics with."""
        return {"max_tree_depth": self.max_tree_depth}

    def follow(self, post: Posterior, key: Any, chain: Any, step_size: Array, inverse_mass: Array) -> tuple:
        """A path that doubles until it turns back."""
        import blackjax

        kernel = blackjax.nuts.build_kernel()
        chain, info = kernel(key, chain, post.log_density, step_size, inverse_mass, self.max_tree_depth)
        ends = (info.trajectory_leftmost_state.logdensity, info.trajectory_rightmost_state.logdensity)
        return chain, {
            "acceptance_rate": info.acceptance_rate,
            "diverging": info.is_divergent,
            "energy": info.energy,
            "tree_depth": info.num_trajectory_expansions,
            "n_steps": info.num_integration_steps,
            "step_size": step_size,
            "failed": jnp.isneginf(ends[0]) | jnp.isneginf(ends[1]),
        }


def nuts(
    posterior: Posterior,
    *,
    num_warmup: int = 1000,
    num_samples: int = 1000,
    num_chains: int = 4,
    key: Any,
    dense_mass: bool | None = None,
    target_accept: float = 0.9,
    max_tree_depth: int = 10,
    step_size: float = 0.1,
    inverse_mass: Any = None,
    init: PyTree = None,
    chains_per_group: int | None = None,
    devices: Any = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike | None = None,
) -> Draws:
    r"""Draw from a posterior by the no-U-turn sampler, BlackJAX's, with window adaptation.

    Hamiltonian dynamics $\dot u = M^{-1}p$, $\dot p = \nabla\log p(u \mid y)$ are integrated by leapfrog, forwards and
    backwards, until the path turns back; the next draw is taken from the path. Step size and mass matrix $M$ are
    adapted during the warmup, separately in each chain (see `WindowAdaptation`).

    Parameters
    ----------
    posterior
        What `posterior` made.
    num_warmup, num_samples
        Transitions of each chain that adapt and are dropped, and that are kept.
    num_chains
        Chains, run as one batch: a solve inside the likelihood is one batched solve.
    key
        Integer seed or PRNG key. Chain i draws from `fold_in(key, i)`, whatever the number of chains.
    dense_mass
        Whether to adapt a full mass matrix (for correlated posteriors of up to a few hundred parameters) or a diagonal
        one. None: a full one for up to 32 unconstrained parameters, where the warmup is 20 times as long.
    target_accept
        Acceptance rate aimed at; closer to 1 means smaller steps and fewer divergences. Higher than usual (0.8), since
        with solvers inside a step into a region where solves run out of steps costs as much as a hundred good ones.
    max_tree_depth
        At most 2**max_tree_depth - 1 gradients for one draw.
    step_size, inverse_mass
        Where adaptation starts, or what is used when `num_warmup` is 0: a number; (dim,) variances or a (dim, dim)
        covariance of the unconstrained posterior. None: ones, or with a warmup of at least 20 and up to 32
        unconstrained parameters the inverse curvature at the start, by differences of gradients.
    init
        Where chains start: parameters nested as the priors, for all chains or with a leading axis of chains; positions
        (dim,) or (num_chains, dim); or `Draws`, such as those of `pathfinder`, of which evenly spaced ones are taken.
        None: for each chain the best of 4 starts, the likeliest of 32 draws from the priors, after 64 gradient steps
        on the likelihood.
    chains_per_group
        Chains in one compiled batch. None: as many as make one group per device. Draws are the same, bit by bit, for
        the same width, wherever a group runs.
    devices
        JAX devices. None: all, those of other processes included; all processes then make the same call and get all
        draws.
    progress
        A bar with divergences, acceptance and time left: True, False, or None where stderr is a terminal.
    checkpoint
        Folder in which finished blocks are kept; the same call goes on from there, to the same draws.

    Returns
    -------
    `Draws`. Read `summary()`, which says in words when not to trust them.

    Raises
    ------
    ValueError, TypeError
        For wrong options, and where no start has a finite density.

    Notes
    -----
    Cost: gradients, `draws.stats["n_steps"]`; a batch takes as many as its longest path. With arguments that are
    traced (inside `jit`, `vmap`) one pure program runs, without progress and checkpoints. Reverse mode through NUTS is
    not possible: use `hmc`. Not for posteriors with separated modes, nor for very many chains on accelerators, which
    wait for the longest path.

    References
    ----------
    Hoffman & Gelman, The no-U-turn sampler, JMLR 15 (2014) 1593-1623; Betancourt, A conceptual introduction to
    Hamiltonian Monte Carlo, arXiv:1701.02434.
    """
    adaptation = window_adaptation(posterior, num_warmup, target_accept, dense_mass, step_size, inverse_mass)
    kernel = NUTSKernel(adaptation, as_count(max_tree_depth, "max_tree_depth"))
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
