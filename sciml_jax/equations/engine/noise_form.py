"""How a diffusion acts on the motions, by the shape of what it returns."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...core.tree import describe


class NoiseForm(NamedTuple):
    """How a diffusion acts on the motions."""

    kind: str
    """"diagonal": entry by entry; "scalar": one motion for all; "general": a matrix."""
    size: int
    """The number of motions."""
    is_additive: bool = False
    """Whether the diffusion does not depend on the state."""
    interpretation: str = "ito"


def noise_form(out: Any, y0: Any, noise: str) -> NoiseForm:
    """The form of a diffusion that returns `out` (arrays or shapes); refuses what does not fit the state."""
    shapes, targets = ([tuple(leaf.shape) for leaf in jax.tree_util.tree_leaves(tree)] for tree in (out, y0))
    same_tree = jax.tree_util.tree_structure(out) == jax.tree_util.tree_structure(y0)
    is_like_state = same_tree and shapes == targets
    columns = {shape[-1] for shape in shapes if shape}
    is_matrix = same_tree and len(columns) == 1 and all(a[:-1] == b and a for a, b in zip(shapes, targets, strict=True))
    _check_dtype(out, y0, same_tree)
    is_additive = noise == "additive"
    if noise != "general" and is_like_state:
        return NoiseForm("scalar", 1) if noise == "scalar" else NoiseForm("diagonal", _count(targets), is_additive)
    if noise in ("general", "additive") and is_matrix and min(columns) > 0:
        return NoiseForm("general", columns.pop(), is_additive)
    expected = {
        "diagonal": "the structure and shapes of the state, one motion for each number",
        "scalar": "the structure and shapes of the state, all moved by one motion",
        "general": "the structure of the state with one more axis of length m, shape (..., m), for m motions",
        "additive": "the shapes of the state (n,), one motion for each number, or one more axis (n, m) for m motions",
    }[noise]
    msg = (
        f"With `noise={noise!r}`, `diffusion(t, y, args)` must return {expected}; got {describe(out)} for a state of "
        f"{describe(y0)}. Change the result, or `noise`."
    )
    raise ValueError(msg)


def _check_dtype(out: Any, y0: Any, same_tree: bool) -> None:
    if not same_tree:
        return
    for a, b in zip(jax.tree_util.tree_leaves(out), jax.tree_util.tree_leaves(y0), strict=True):
        if jnp.promote_types(a.dtype, b.dtype) != b.dtype:
            msg = (
                f"`diffusion(t, y, args)` must return the dtype of the state, {b.dtype}; got {a.dtype}. "
                f"Convert `y0` (and `args`) to {jnp.promote_types(a.dtype, b.dtype)}, or the result to {b.dtype}."
            )
            raise TypeError(msg)


def _count(shapes: list) -> int:
    return sum(int(np.prod(shape)) for shape in shapes)
