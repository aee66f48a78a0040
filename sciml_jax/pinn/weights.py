"""Weights of the terms of a loss: what they are, fixed ones, and those that rise with their term."""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ..core.tree import is_concrete


class AbstractWeights(eqx.Module):
    r"""A rule for the weights $\lambda_i$ in $\sum_i \lambda_i L_i(\theta)$, a pure function of its state.

    `init` makes the state, `update` revises it inside the compiled step, `values` reads the weights.
    """

    @abc.abstractmethod
    def init(self, num_terms: int) -> Any:
        """The state for that many terms."""

    @abc.abstractmethod
    def update(
        self, state: Any, losses_fn: Callable[[PyTree], Array], params: PyTree, *, residuals_fn: Any = None
    ) -> Any:
        """The state after one training step.

        Parameters
        ----------
        state
            The present one.
        losses_fn
            `params -> (k,)`, the unweighted terms.
        params
            The present parameters; what is no float array in them stays as it is.
        residuals_fn
            `params -> tuple of (n_i,)`, the residuals of every term. Only `NTKWeights` needs it.
        """

    @abc.abstractmethod
    def values(self, state: Any) -> Float[Array, " k"]:
        """The weights; constants to differentiation."""


class FixedWeights(AbstractWeights):
    """Weights that stay as they are.

    Parameters
    ----------
    weights
        One per term, or one number for all; positive.

    Raises
    ------
    ValueError
        For weights that are negative or not finite, and when there are more or fewer terms.
    """

    weights: Any = 1.0

    def __check_init__(self):
        if is_concrete(self.weights) and not np.all((np.asarray(self.weights) >= 0) & np.isfinite(self.weights)):
            msg = f"`weights` must be finite and not negative; got {self.weights}. Leave a term out to ignore it."
            raise ValueError(msg)

    def init(self, num_terms: int) -> Float[Array, " k"]:
        """See `AbstractWeights`."""
        weights = jnp.asarray(self.weights, float)
        if weights.shape not in ((), (num_terms,)):
            msg = f"`weights` must hold one number for each of the {num_terms} terms; got shape {weights.shape}."
            raise ValueError(msg)
        return jnp.broadcast_to(weights, (num_terms,))

    def update(
        self, state: Any, losses_fn: Callable[[PyTree], Array], params: PyTree, *, residuals_fn: Any = None
    ) -> Any:
        """See `AbstractWeights`."""
        del losses_fn, params, residuals_fn
        return state

    def values(self, state: Any) -> Float[Array, " k"]:
        """See `AbstractWeights`."""
        return jax.lax.stop_gradient(state)


class Counted(NamedTuple):
    """The number of updates and the weights."""

    count: Int[Array, ""]
    weights: Float[Array, " k"]


class SelfAdaptiveWeights(AbstractWeights):
    r"""Weights by gradient ascent on the weighted loss: $\lambda_i \leftarrow \lambda_i + \eta L_i / \sum_j L_j$.

    A term that stays large grows heavier. The weights never fall; the sum of the terms in the denominator keeps their
    growth the same all along the training.

    Parameters
    ----------
    rate
        $\eta$, the growth per step, shared among the terms.

    Raises
    ------
    ValueError
        For a rate that is not positive.

    References
    ----------
    McClenny, Braga-Neto: Self-adaptive physics-informed neural networks, J. Comput. Phys. 474 (2023).
    """

    rate: float = 1e-2

    def __check_init__(self):
        check_positive(self.rate, "rate")

    def init(self, num_terms: int) -> Float[Array, " k"]:
        """See `AbstractWeights`."""
        return jnp.ones(num_terms)

    def update(
        self, state: Any, losses_fn: Callable[[PyTree], Array], params: PyTree, *, residuals_fn: Any = None
    ) -> Any:
        """See `AbstractWeights`."""
        del residuals_fn
        losses = jax.lax.stop_gradient(losses_fn(params))
        total = jnp.sum(losses)
        return (state + self.rate * losses / jnp.where(total > 0, total, 1)).astype(state.dtype)

    def values(self, state: Any) -> Float[Array, " k"]:
        """See `AbstractWeights`."""
        return jax.lax.stop_gradient(state)


def check_positive(value: Any, name: str) -> None:
    """Refuse numbers that are not positive and finite."""
    if is_concrete(value) and not (np.all(np.asarray(value) > 0) and np.all(np.isfinite(value))):
        msg = f"`{name}` must be positive and finite; got {value}. The default is a good start."
        raise ValueError(msg)


def check_share(value: Any, name: str) -> None:
    """Refuse numbers outside [0, 1)."""
    if is_concrete(value) and not 0 <= float(value) < 1:
        msg = f"`{name}` must lie in [0, 1); got {value}. The default is a good start."
        raise ValueError(msg)
