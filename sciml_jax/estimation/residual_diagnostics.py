"""What residuals say about a model."""

from typing import Any

import jax.numpy as jnp
from jax.scipy.special import gammaincc
from jaxtyping import Array


def residual_diagnostics(fit: Any) -> dict[str, Array]:
    """Numbers that tell whether the residuals look like noise.

    Parameters
    ----------
    fit
        An `Estimate`.

    Returns
    -------
    dict
        `rms` of the scaled residuals; `bias` per series, their mean in standard errors; `autocorrelation` per series,
        between neighbours in time, in standard errors `1 / sqrt(T)`; `durbin_watson` per series, 2 for noise, near 0
        where the model misses a trend; `skewness` and `excess_kurtosis`, 0 for normal noise; `p_value`, with known
        noise: the probability of a sum of squares as large if the model is right.

    Notes
    -----
    Repeated measurements at one time count as neighbours.
    """
    r, mask = fit.residuals, fit.residuals != 0
    count = jnp.sum(mask)
    rms = jnp.sqrt(jnp.sum(r**2) / count)
    series = jnp.maximum(jnp.sum(mask, axis=(0, 1)), 1)
    mean = jnp.sum(r, axis=(0, 1)) / series
    spread = jnp.sqrt(jnp.sum(r**2, axis=(0, 1)) / series)
    both = mask[:, 1:] & mask[:, :-1]
    squares = jnp.sum(r**2, axis=(0, 1))
    product = jnp.sum(jnp.where(both, r[:, 1:] * r[:, :-1], 0), axis=(0, 1)) / squares
    change = jnp.sum(jnp.where(both, (r[:, 1:] - r[:, :-1]) ** 2, 0), axis=(0, 1))
    centred = jnp.where(mask, r - jnp.sum(r) / count, 0)
    moment = lambda power: jnp.sum(centred**power) / count
    found = {
        "rms": rms,
        "bias": mean * jnp.sqrt(series) / spread,
        "autocorrelation": product * jnp.sqrt(series),
        "durbin_watson": change / squares,
        "skewness": moment(3) / moment(2) ** 1.5,
        "excess_kurtosis": moment(4) / moment(2) ** 2 - 3,
    }
    if fit.noise_is_known:
        found["p_value"] = gammaincc(fit.degrees_of_freedom / 2, fit.chi_square / 2)
    return found
