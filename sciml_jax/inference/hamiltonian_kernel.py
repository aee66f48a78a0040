"""What HMC and NUTS share: the state, the adaptation, and how a run begins."""

import abc
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from .adaptation import AdaptationState, WindowAdaptation, window_schedule
from .chain_options import DENSE_UP_TO, check_positive_number, check_probability, choose_dense, inverse_mass_of
from .kernel import AbstractKernel, Stage
from .posterior import Posterior


class HamiltonianState(NamedTuple):
    """Of one chain: BlackJAX's (position, log density, gradient), and the adaptation."""

    chain: Any
    adaptation: AdaptationState


class AbstractHamiltonianKernel(AbstractKernel):
    """A transition along a leapfrog path, with window adaptation."""

    adaptation: WindowAdaptation

    @abc.abstractmethod
    def follow(
        self, post: Posterior, key: Any, chain: Any, step_size: Float[Array, ""], inverse_mass: Array
    ) -> tuple[Any, dict[str, Array]]:
        """BlackJAX's next (position, log density, gradient), and statistics, of which `acceptance_rate` is adapted."""

    @property
    def climbs(self) -> bool:
        """Starts are improved by the gradient."""
        return True

    @property
    def probes(self) -> bool:
        """The first mass matrix is that of the curvature at the start."""
        return self.adaptation.curvature

    def init(self, post: Posterior, position: Array) -> HamiltonianState:
        """The state of a chain at its start."""
        import blackjax

        chain = blackjax.hmc.init(position, post.log_density)
        return HamiltonianState(chain, self.adaptation.init(post.dim, position.dtype))

    def resume(
        self, post: Posterior, position: Array, density: Array, gradient: Array, inverse_mass: Array | None
    ) -> HamiltonianState:
        """The same where density and gradient are known, and perhaps a first inverse mass matrix."""
        from blackjax.mcmc import hmc

        state: Any = hmc.HMCState
        chain = state(position, density, gradient)
        return HamiltonianState(chain, self.adaptation.init(post.dim, position.dtype, inverse_mass))

    def step(self, post: Posterior, key: Any, state: HamiltonianState, stage: Stage) -> tuple:
        """A transition."""
        step_size = self.adaptation.current_step_size(state.adaptation, stage)
        chain, stats = self.follow(post, key, state.chain, step_size, state.adaptation.inverse_mass)
        adapted = self.adaptation.update(
            state.adaptation, stage, chain.position, chain.logdensity_grad, stats["acceptance_rate"]
        )
        return HamiltonianState(chain, adapted), chain.position, {"lp": chain.logdensity, **stats}

    def tuned(self, state: HamiltonianState) -> dict[str, Array]:
        """What the warmup has found."""
        step_size = jnp.exp(state.adaptation.step.log_average)
        return {"step_size": step_size, "inverse_mass": state.adaptation.inverse_mass}

    def schedule(self, num_warmup: int) -> tuple:
        """Windows that double."""
        return window_schedule(num_warmup)


def window_adaptation(
    post: Posterior, num_warmup: Any, target_accept: float, dense_mass: bool | None, step_size: Any, inverse_mass: Any
) -> WindowAdaptation:
    """The adaptation that the options of a sampler ask for; refuses wrong ones."""
    check_probability(target_accept, "target_accept")
    check_positive_number(step_size, "step_size")
    dense = choose_dense(dense_mass, post, num_warmup, inverse_mass)
    start = inverse_mass_of(inverse_mass, post, dense)
    # By twice as many gradients as there are parameters: cheap beside the windows for few parameters only.
    curvature = start is None and post.dim <= DENSE_UP_TO and bool(window_schedule(num_warmup)[1].any())
    return WindowAdaptation(target_accept, dense, curvature, jnp.asarray(step_size, float), start)
