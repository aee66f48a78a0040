"""Weights that favour the terms that fall most slowly."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from .weights import AbstractWeights, check_positive, check_share


class ReLoBRaLoState(NamedTuple):
    """Updates so far, the terms at the start and before, and the weights."""

    count: Int[Array, ""]
    initial: Float[Array, " k"]
    previous: Float[Array, " k"]
    weights: Float[Array, " k"]


class ReLoBRaLo(AbstractWeights):
    r"""Relative loss balancing with random lookback.

    With $b_i(t, s) = k\, \mathrm{softmax}_i\, L_i(t) / (\tau L_i(s))$, the progress of every term since step s,

    $$\lambda(t) = \alpha [\rho \lambda(t - 1) + (1 - \rho)\, b(t, 0)] + (1 - \alpha)\, b(t, t - 1),$$

    $\rho$ one with probability `lookback` and else zero: now and then the progress since the start counts.

    Parameters
    ----------
    alpha
        Memory of the weights.
    lookback
        Probability of remembering the last weights rather than the start.
    temperature
        $\tau$; small ones weight the slowest term alone, large ones all alike.

    Raises
    ------
    ValueError
        For shares outside [0, 1), and a temperature that is not positive.

    Notes
    -----
    Costs one evaluation of the terms per step, no gradients. The sum of the weights is the number of terms.

    References
    ----------
    Bischof, Kraus: Multi-objective loss balancing for physics-informed deep learning, CMAME 439 (2025).
    """

    alpha: float = 0.999
    lookback: float = 0.999
    temperature: float = 0.1

    def __check_init__(self):
        check_share(self.alpha, "alpha")
        check_share(self.lookback, "lookback")
        check_positive(self.temperature, "temperature")

    def init(self, num_terms: int) -> ReLoBRaLoState:
        """See `AbstractWeights`."""
        ones = jnp.ones(num_terms)
        return ReLoBRaLoState(jnp.int32(0), ones, ones, ones)

    def update(
        self, state: Any, losses_fn: Callable[[PyTree], Array], params: PyTree, *, residuals_fn: Any = None
    ) -> Any:
        """See `AbstractWeights`."""
        del residuals_fn
        losses = jax.lax.stop_gradient(losses_fn(params)).astype(state.weights.dtype)
        is_first = state.count == 0
        initial = jnp.where(is_first, losses, state.initial)
        previous = jnp.where(is_first, losses, state.previous)
        key = jax.random.fold_in(jax.random.key(0), state.count)
        remember = jax.random.bernoulli(key, self.lookback)
        long = jnp.where(remember, state.weights, self._balance(losses, initial))
        weights = self.alpha * long + (1 - self.alpha) * self._balance(losses, previous)
        weights = jnp.where(jnp.all(jnp.isfinite(weights)), weights, state.weights)
        return ReLoBRaLoState(state.count + 1, initial, losses, weights)

    def values(self, state: Any) -> Float[Array, " k"]:
        """See `AbstractWeights`."""
        return jax.lax.stop_gradient(state.weights)

    def _balance(self, losses: Array, reference: Array) -> Array:
        tiny = jnp.finfo(losses.dtype).tiny
        return losses.size * jax.nn.softmax(losses / (self.temperature * jnp.maximum(reference, tiny)))
