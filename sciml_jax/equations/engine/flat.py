"""The leaves of a state as one vector, and back."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax


def concatenate(leaves: Sequence[Any]) -> Any:
    """All leaves as one vector."""
    return jnp.concatenate([jnp.ravel(leaf) for leaf in leaves]) if len(leaves) > 1 else jnp.ravel(leaves[0])


def split_like(vector: Any, leaves: tuple) -> tuple:
    """Undo `concatenate`, with the shapes and dtypes of `leaves`."""
    parts, start = [], 0
    for leaf in leaves:
        size = int(np.prod(leaf.shape))
        parts.append(lax.slice(vector, (start,), (start + size,)).reshape(leaf.shape).astype(leaf.dtype))
        start += size
    return tuple(parts)
