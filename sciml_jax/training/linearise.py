"""Residuals together with their Jacobian."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ..numerics.loops import vary_like


def forward_linearise(function: Callable) -> Callable:
    """`x -> (residuals, Jacobian)` by forward mode: one evaluation and P tangents."""

    def linearise(x):
        push = lambda tangent: jax.jvp(function, (x,), (tangent,))
        return jax.vmap(push, out_axes=(None, 1))(vary_like(jnp.eye(x.shape[0], dtype=x.dtype), x))

    return linearise


def as_vector(residuals: Any) -> Array:
    """Residuals in any pytree as one real vector."""
    leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(residuals)]
    if not leaves or not all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves):
        found = [str(leaf.dtype) for leaf in leaves] or "nothing"
        msg = f"residuals must be real float arrays; got {found}. Complex ones: stack real and imaginary parts."
        raise TypeError(msg)
    return jnp.concatenate([leaf.ravel() for leaf in leaves])
