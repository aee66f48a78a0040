"""The protocol of a Markov chain's transition, as `chains.py` runs it."""

import abc
from typing import Any, NamedTuple

import equinox as eqx
from jaxtyping import Array, Bool, Float, Int

from .posterior import Posterior


class Stage(NamedTuple):
    """Where a transition stands in the run, booleans of shape ()."""

    warmup: Bool[Array, ""]
    """Parameters of the method are adapted."""
    slow: Bool[Array, ""]
    """The position counts for the mass matrix."""
    window_end: Bool[Array, ""]
    """A window of the warmup ends: take the mass matrix that was gathered."""


class AbstractKernel(eqx.Module):
    """One chain's transition: a frozen module with the method's options, without state."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """How results call the method."""

    @abc.abstractmethod
    def init(self, post: Posterior, position: Float[Array, " dim"]) -> Any:
        """The state of a chain at its start: what the next transition needs."""

    @abc.abstractmethod
    def step(
        self, post: Posterior, key: Any, state: Any, stage: Stage
    ) -> tuple[Any, Float[Array, " dim"], dict[str, Array]]:
        """The next state, its position, and what is worth knowing about the transition."""

    @abc.abstractmethod
    def tuned(self, state: Any) -> dict[str, Array]:
        """What the warmup has found."""

    @property
    def climbs(self) -> bool:
        """Whether starts are improved by the gradient, and the state is then made by `resume`."""
        return False

    @property
    def probes(self) -> bool:
        """Whether `resume` wants an inverse mass matrix from the curvature at the start."""
        return False

    def resume(
        self, post: Posterior, position: Array, density: Array, gradient: Array, inverse_mass: Array | None
    ) -> Any:
        """What `init` returns where density and gradient are known; of kernels that climb."""
        raise NotImplementedError

    @property
    def limits(self) -> dict[str, int]:
        """Options that the summary compares statistics with."""
        return {}

    @abc.abstractmethod
    def schedule(self, num_warmup: int) -> tuple[Int[Array, " num_warmup"], Bool[Array, " num_warmup"]]:
        """For every transition of the warmup whether it is `slow`, and whether a window ends after it."""
