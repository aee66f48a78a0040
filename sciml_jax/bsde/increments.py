"""Brownian increments: pseudo-random, or from a lattice with the directions of largest variance first."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .lattice import lattice_vector

LATTICE_DIMENSIONS = 1024
"""Dimensions that the lattice covers; what comes after explains little of the variance and is pseudo-random."""


def principal_directions(num_steps: int) -> np.ndarray:
    """Orthogonal matrix (num_steps, num_steps) whose first columns move a Brownian path most; maps normals to normals.

    The right singular vectors of the cumulative sum: the principal components of the path.
    """
    return np.linalg.svd(np.tril(np.ones((num_steps, num_steps))))[2].T


def lattice_increments(key: Any, num_points: int, num_steps: int, num_noises: int, dt: Any) -> Float[Array, "n N m"]:
    """Increments over `num_points` paths of one randomly shifted lattice, shape (num_points, num_steps, num_noises)."""
    total = num_steps * num_noises
    covered = min(total, LATTICE_DIMENSIONS)
    key_shift, key_rest = jax.random.split(key)
    dtype = jnp.result_type(dt)
    # Products of integers in 64-bit NumPy: k z overflows 32 bits, and float32 would lose the fraction.
    grid = np.arange(num_points)[:, None] * lattice_vector(num_points, covered)[None] % num_points / num_points
    shift = jax.random.uniform(key_shift, (covered,), dtype)
    points = jnp.asarray(grid, dtype) + shift
    # Folded, so that the integrand is continuous across the edge of the unit cube.
    points = 1 - jnp.abs(2 * (points - jnp.floor(points)) - 1)
    tiny = jnp.finfo(dtype).eps
    normals = jax.scipy.special.ndtri(jnp.clip(points, tiny, 1 - tiny))
    rest = jax.random.normal(key_rest, (num_points, total - covered), dtype)
    normals = jnp.concatenate((normals, rest), axis=1).reshape(num_points, num_steps, num_noises)
    directions = jnp.asarray(principal_directions(num_steps), dtype)
    return jnp.sqrt(dt) * jnp.einsum("nkm,sk->nsm", normals, directions)


def random_increments(
    key: Any, num_paths: int, num_steps: int, num_noises: int, dt: Any, antithetic: bool = False
) -> Float[Array, "n N m"]:
    """Independent increments, shape (num_paths, num_steps, num_noises); in pairs of opposite sign if antithetic."""
    drawn = num_paths // 2 if antithetic else num_paths
    dw = jnp.sqrt(dt) * jax.random.normal(key, (drawn, num_steps, num_noises), jnp.result_type(dt))
    return jnp.concatenate((dw, -dw)) if antithetic else dw


def pairs_summed(dw: Float[Array, "n N m"]) -> Float[Array, "n N/2 m"]:
    """The increments of the same paths over steps twice as long."""
    return dw.reshape(dw.shape[0], dw.shape[1] // 2, 2, dw.shape[2]).sum(axis=2)
