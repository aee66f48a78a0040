"""What the user's functions must return, checked where they are traced."""

from typing import Any

import jax
import jax.numpy as jnp

from ...core.tree import describe


def check_vector_field(out: Any, y0: Any) -> None:
    """Refuse a vector field whose result does not have the structure, shapes and dtypes of the state."""
    same_tree = jax.tree_util.tree_structure(out) == jax.tree_util.tree_structure(y0)
    pairs = zip(jax.tree_util.tree_leaves(out), jax.tree_util.tree_leaves(y0), strict=False)
    if not same_tree or any(a.shape != b.shape for a, b in pairs):
        msg = (
            "`vector_field(t, y, args)` must return a pytree with the structure and shapes of the state; got "
            f"{describe(out)} for a state of {describe(y0)}. Return one derivative for each number of the state."
        )
        raise ValueError(msg)
    for a, b in zip(jax.tree_util.tree_leaves(out), jax.tree_util.tree_leaves(y0), strict=True):
        if jnp.promote_types(a.dtype, b.dtype) != b.dtype:
            msg = (
                f"`vector_field(t, y, args)` must return the dtype of the state, {b.dtype}; got {a.dtype}. "
                f"Convert `y0` (and `args`) to {jnp.promote_types(a.dtype, b.dtype)}, or the result to {b.dtype}."
            )
            raise TypeError(msg)


def check_saved(out: Any) -> None:
    """Refuse a `SaveAt(fn=...)` whose result cannot hold NaN."""
    for leaf in jax.tree_util.tree_leaves(out):
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            msg = (
                "`SaveAt(fn=...)` must return float or complex arrays, because what is not reached is filled with NaN; "
                f"got {describe(out)}. Convert the result with `.astype(float)`."
            )
            raise TypeError(msg)


def check_radius(out: Any) -> None:
    """Refuse a bound of the spectral radius that is not one real number."""
    if getattr(out, "shape", None) != () or not jnp.issubdtype(out.dtype, jnp.floating):
        msg = (
            f"`spectral_radius(t, y, args)` must return a real scalar; got {describe(out)}. "
            "Return one bound for the whole state, for example `jnp.max(...)`."
        )
        raise ValueError(msg)


def check_observed(out: Any) -> None:
    """Refuse an event's `observe` whose result cannot hold NaN."""
    for leaf in jax.tree_util.tree_leaves(out):
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            msg = (
                "`observe(t, y, args)` must return float or complex arrays, because the log is padded with NaN; "
                f"got {describe(out)}. Convert the result with `.astype(float)`."
            )
            raise TypeError(msg)
