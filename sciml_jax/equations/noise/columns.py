"""The columns of a diffusion, one for each motion, for methods that treat the motions one by one."""

from typing import Any

import jax
import jax.numpy as jnp


def stacked(motions: tuple) -> Any:
    """Motions as one vector, shape (m,)."""
    return jnp.concatenate([jnp.reshape(part, -1) for part in motions])


def columns(noise: Any, diffusion: tuple, y: tuple) -> tuple:
    """The columns along a new first axis of every leaf, shape (m, ...)."""
    if noise.form.kind == "scalar":
        return tuple(leaf[None] for leaf in diffusion)
    if noise.form.kind == "general":
        return tuple(jnp.moveaxis(leaf, -1, 0) for leaf in diffusion)
    out, start, count = [], 0, noise.form.size
    for leaf, like in zip(diffusion, y, strict=True):
        rows = start + jnp.arange(like.size)
        wide = jnp.zeros((count, like.size), leaf.dtype).at[rows, jnp.arange(like.size)].set(leaf.reshape(-1))
        out.append(wide.reshape(count, *like.shape))
        start += like.size
    return tuple(out)


def evaluate_columns(noise: Any, t: Any, stages: tuple, y: tuple) -> tuple:
    """The k-th column at the k-th state: leaves of shape (m, ...) to leaves of shape (m, ...)."""

    def one(index, *stage):
        return tuple(leaf[index] for leaf in columns(noise, noise.diffusion(t, stage), y))

    return jax.vmap(one)(jnp.arange(noise.form.size), *stages)


def weighted(values: tuple, vector: Any) -> tuple:
    """The sum of columns weighted by the entries of a vector (m,)."""
    return tuple(jnp.tensordot(vector.astype(leaf.real.dtype), leaf, 1) for leaf in values)
