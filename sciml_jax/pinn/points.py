"""Collocation points that follow the residual."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

CANDIDATES = 5
"""Fresh points per point that is drawn."""


def refresh(
    key: Any, points: Float[Array, "n d"], magnitude: Callable[[Array], Array], draw: Callable[[Any, int], Array]
) -> Float[Array, "n d"]:
    r"""Half of the points kept at random, the others drawn anew where the residual is large.

    The density is proportional to $1 + |r| / \overline{|r|}$ over fresh points and the present ones, so that points
    gather where the residual is large and some stay everywhere. What is kept carries what was learned there.

    References
    ----------
    Wu, Zhu, Tan, Kartha & Lu, A comprehensive study of non-adaptive and residual-based adaptive sampling for
    physics-informed neural networks, CMAME 403 (2023).
    """
    n = points.shape[0]
    key_draw, key_choose, key_keep = jax.random.split(key, 3)
    candidates = jnp.concatenate([draw(key_draw, CANDIDATES * n), points])
    chosen = weighted_choice(key_choose, magnitude(candidates), n - n // 2)
    kept = jax.random.permutation(key_keep, n)[: n // 2]
    return jnp.concatenate([candidates[chosen], points[kept]])


def weighted_choice(key: Any, magnitude: Float[Array, " m"], n: int) -> Array:
    """Indices of n candidates without repetition, with weights `1 + magnitude / mean`."""
    mean = jnp.maximum(jnp.mean(magnitude), jnp.finfo(magnitude.dtype).tiny)
    scores = jnp.log1p(magnitude / mean) + jax.random.gumbel(key, magnitude.shape, magnitude.dtype)
    # The n largest scores with Gumbel noise are a weighted draw without repetition.
    return jax.lax.top_k(jnp.where(jnp.isfinite(scores), scores, -jnp.inf), n)[1]
