"""How far from rest a state is."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree


def rest_norm(slope: PyTree, y: PyTree, rtol: Any, atol: Any) -> Float[Array, ""]:
    """`sqrt(mean(|f_i / (atol + rtol |y_i|)|^2))` over all entries of all leaves: at rest where it is at most one.

    Parameters
    ----------
    slope
        `f`, a pytree like the state.
    y
        The state.
    rtol, atol
        Scalars; where both vanish an entry counts as at rest only if its slope is exactly zero.
    """

    def squares(f, x):
        scale = atol + rtol * jnp.abs(x) + jnp.finfo(x.dtype).tiny
        return jnp.abs(f / scale) ** 2

    parts = [squares(f, x) for f, x in zip(jax.tree_util.tree_leaves(slope), jax.tree_util.tree_leaves(y), strict=True)]
    return jnp.sqrt(sum(jnp.sum(part) for part in parts) / sum(part.size for part in parts))
