"""Weights of single points: causal ones in time, and attention to residuals that stay."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .weights import check_positive, check_share


class CausalWeights(eqx.Module):
    r"""Factors that let a time count once all earlier times are solved: $w_i = \exp(-\epsilon \sum_{j < i} \bar{L}_j)$.

    Points are sorted into `num_chunks` equal intervals of time with mean squared residuals $\bar{L}_j$; every point of
    interval i gets $w_i$. Cures the networks that solve the late times of an initial value problem first, wrongly.

    Parameters
    ----------
    lower, upper
        The first and the last time.
    tolerance
        $\epsilon$; too large, the late times never count; too small, they count from the start. 1 suits residuals of
        order one. `progress` says how far training has come: near 1 all times count.
    num_chunks
        Intervals of time.

    Raises
    ------
    ValueError
        For a tolerance that is not positive, fewer than two chunks, and, when called, for vectors of unlike lengths.

    References
    ----------
    Wang, Sankaran, Perdikaris: Respecting causality for training physics-informed neural networks, CMAME 421 (2024).
    """

    lower: Any = 0.0
    upper: Any = 1.0
    tolerance: Any = 1.0
    num_chunks: int = eqx.field(static=True, default=32)

    def __check_init__(self):
        check_positive(self.tolerance, "tolerance")
        if not isinstance(self.num_chunks, int) or self.num_chunks < 2:
            msg = f"`num_chunks` must be an integer of at least 2; got {self.num_chunks!r}. Use, for example, 32."
            raise ValueError(msg)

    def __call__(self, residuals: Float[Array, " m"], times: Float[Array, " m"]) -> Float[Array, " m"]:
        """One factor in (0, 1] per point, constant to differentiation; `mean(factors * residuals**2)` is the loss."""
        chunk, factors = self._factors(residuals, times)
        return factors[chunk]

    def progress(self, residuals: Float[Array, " m"], times: Float[Array, " m"]) -> Float[Array, ""]:
        """The factor of the last interval: near 0 while early times are unsolved, near 1 when all are."""
        return self._factors(residuals, times)[1][-1]

    def _factors(self, residuals: Array, times: Array) -> tuple[Array, Array]:
        residuals, times = jnp.asarray(residuals), jnp.asarray(times)
        if residuals.ndim != 1 or residuals.shape != times.shape:
            msg = (
                f"`residuals` and `times` must be vectors of one length; got {residuals.shape} and {times.shape}. Take "
                "the norm over the equations of a system."
            )
            raise ValueError(msg)
        part = (times - self.lower) / (self.upper - self.lower)
        chunk = jnp.clip((part * self.num_chunks).astype(jnp.int32), 0, self.num_chunks - 1)
        zeros = jnp.zeros(self.num_chunks, residuals.dtype)
        squares = zeros.at[chunk].add(jax.lax.stop_gradient(residuals) ** 2)
        number = zeros.at[chunk].add(1)
        means = squares / jnp.maximum(number, 1)
        earlier = jnp.cumsum(means) - means
        return chunk, jnp.exp(-self.tolerance * earlier).astype(residuals.dtype)


class ResidualAttention(eqx.Module):
    r"""Weights of points by a decaying sum: $\lambda \leftarrow \gamma \lambda + \eta |r| / \max |r|$.

    Points whose residual stays among the largest end at $\eta / (1 - \gamma)$, solved ones near zero. Costs nothing;
    for a fixed set of points.

    Parameters
    ----------
    decay
        $\gamma$.
    rate
        $\eta$.

    Raises
    ------
    ValueError
        For a decay outside [0, 1) or a rate that is not positive.

    References
    ----------
    Anagnostopoulos, Toscano, Stergiopulos, Karniadakis: Residual-based attention in physics-informed neural networks,
    CMAME 421 (2024).
    """

    decay: Any = 0.999
    rate: Any = 0.01

    def __check_init__(self):
        check_share(self.decay, "decay")
        check_positive(self.rate, "rate")

    def init(self, num_points: int) -> Float[Array, " m"]:
        """The weights to start with: a tenth of the largest that they can become."""
        return jnp.full(num_points, 0.1 * self.rate / (1 - self.decay))

    def update(self, weights: Float[Array, " m"], residuals: Float[Array, " m"]) -> Float[Array, " m"]:
        """The weights after one step; multiply residuals by them before squaring."""
        size = jnp.abs(jax.lax.stop_gradient(residuals))
        largest = jnp.max(size)
        return (self.decay * weights + self.rate * size / jnp.where(largest > 0, largest, 1)).astype(weights.dtype)
