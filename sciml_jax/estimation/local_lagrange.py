"""Weights that differentiate and integrate samples at any times, from polynomials through neighbouring samples."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def stencils(count: int, size: int) -> np.ndarray:
    """Indices of the `size` nearest neighbours (by index) of every sample, shape (count, size)."""
    first = np.clip(np.arange(count) - size // 2, 0, count - size)
    return first[:, None] + np.arange(size)


def derivative(ts: Float[Array, "T"], ys: Float[Array, "T n"], size: int) -> Float[Array, "T n"]:
    """The derivative at every sample of the polynomial through it and its neighbours, `size` samples in all.

    Order `size - 1`, exact for polynomials of that degree. Cost O(T size^2).
    """
    around = stencils(ts.shape[0], size)
    own = np.arange(ts.shape[0]) - around[:, 0]
    weights = jax.vmap(_derivative_weights)(ts[around], jnp.asarray(own))
    return jnp.einsum("ts,ts...->t...", weights.astype(ys.dtype), ys[around])


def _derivative_weights(nodes: Any, own: Any) -> Any:
    """Weights of the derivative at node `own` of the interpolating polynomial (barycentric form)."""
    scale = (nodes[-1] - nodes[0]) / 2
    x = (nodes - nodes[own]) / scale
    gaps = x[:, None] - x[None, :] + jnp.eye(x.shape[0], dtype=x.dtype)
    barycentric = 1.0 / jnp.prod(gaps, axis=1)
    is_own = jnp.arange(x.shape[0]) == own
    off = jnp.where(is_own, 0.0, barycentric / barycentric[own] / jnp.where(is_own, 1.0, -x))
    return jnp.where(is_own, -jnp.sum(off), off) / scale


def quadrature_weights(ts: Float[Array, "T"], size: int) -> Float[Array, "T"]:
    """Weights of an integral over all of `ts`: every interval by the polynomial through `size` samples around it.

    With equal steps the weights in the interior are the step. Cost O(T size^2).
    """
    count = ts.shape[0]
    size = min(size, count)
    first = np.clip(np.arange(count - 1) - (size - 2) // 2, 0, count - size)
    around = first[:, None] + np.arange(size)
    weights = jax.vmap(_interval_weights)(ts[around], ts[:-1], ts[1:])
    return jnp.zeros_like(ts).at[around].add(weights)


def _interval_weights(nodes: Any, low: Any, high: Any) -> Any:
    """Integrals from low to high of the Lagrange polynomials, by Gauss quadrature that is exact for them."""
    abscissae, gauss = np.polynomial.legendre.leggauss((nodes.shape[0] + 1) // 2)
    half = (high - low) / 2
    x = (nodes - low) / half
    points = jnp.asarray(abscissae, nodes.dtype) + 1
    gaps = x[:, None] - x[None, :]
    other = ~jnp.eye(x.shape[0], dtype=bool)
    ratios = jnp.where(other, (points[:, None, None] - x[None, None, :]) / jnp.where(other, gaps, 1.0), 1.0)
    basis = jnp.prod(ratios, axis=-1)
    return half * jnp.asarray(gauss, nodes.dtype) @ basis
