"""Quantiles of Student's t, the normal and the chi-square distribution."""

import jax.numpy as jnp
from jax.scipy.special import betainc, gammainc, ndtri
from jaxtyping import Array, Float

ROUNDS = 80
"""Halvings of an interval in the logarithm: more than a float64 has digits."""


def normal_quantile(probability: Float[Array, ""]) -> Float[Array, ""]:
    """x with P(X <= x) = probability."""
    return ndtri(probability)


def student_t_quantile(probability: Float[Array, ""], degrees: Float[Array, ""]) -> Float[Array, ""]:
    """x with P(T <= x) = probability >= 1/2, for a positive number of degrees of freedom; NaN for none."""
    tail = 2 * (1 - probability)
    cumulative = lambda x: 1 - betainc(degrees / 2, 0.5, degrees / (degrees + x**2))
    return jnp.where(degrees > 0, _invert(cumulative, 1 - tail), jnp.nan)


def chi_square_quantile(probability: Float[Array, ""], degrees: float) -> Float[Array, ""]:
    """x with P(X <= x) = probability."""
    return _invert(lambda x: gammainc(degrees / 2, x / 2), probability)


def _invert(cumulative, target):
    """Bisection in log x between 1e-6 and 1e6."""
    low, high = jnp.log(1e-6), jnp.log(1e6)
    for _ in range(ROUNDS):
        middle = 0.5 * (low + high)
        above = cumulative(jnp.exp(middle)) > target
        low, high = jnp.where(above, low, middle), jnp.where(above, middle, high)
    return jnp.exp(0.5 * (low + high))
