"""Affine scaling of data, kept inside the model that was trained on it."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..core.checks import check_inexact_tree
from ..core.frozen import Frozen
from ..core.tree import describe, is_concrete


class Normalise(eqx.Module):
    """The scaling `z = (x - shift) / scale`, number by number.

    `normalise(x)` scales, `normalise.inverse(z)` undoes it; `Normalise.of(data)` takes the mean and the standard
    deviation of data. A module that takes `normalise=` keeps it as a part of itself: saved and loaded with the weights,
    and not trained (`sj.training.Frozen`).

    Parameters
    ----------
    shift, scale
        Pytrees like the quantity, of leaves that broadcast against it; `scale` differs from zero.

    Raises
    ------
    TypeError, ValueError
        For integers, values that are not finite, or a scale of zero.
    """

    frozen: Frozen

    def __init__(self, shift: PyTree, scale: PyTree):
        shift, scale = (jax.tree_util.tree_map(jnp.asarray, tree) for tree in (shift, scale))
        for tree, name in ((shift, "shift"), (scale, "scale")):
            check_inexact_tree(tree, name)
            _check_usable(tree, name, nonzero=name == "scale")
        if jax.tree_util.tree_structure(shift) != jax.tree_util.tree_structure(scale):
            msg = (
                f"`shift` and `scale` must have one structure; got {describe(shift)} and {describe(scale)}. Give both "
                "a leaf for every leaf of the quantity."
            )
            raise ValueError(msg)
        self.frozen = Frozen((shift, scale))

    @staticmethod
    def of(data: PyTree) -> "Normalise":
        """The scaling that gives data mean 0 and standard deviation 1.

        Statistics are taken over all axes but the last, NaN (a missing value) left out; a component that does not vary
        keeps scale 1.

        Parameters
        ----------
        data
            Leaves (..., n), concrete.
        """
        shift = jax.tree_util.tree_map(lambda x: jnp.nanmean(_rows(x), axis=0), data)
        spread = jax.tree_util.tree_map(lambda x: jnp.nanstd(_rows(x), axis=0), data)
        return Normalise(shift, jax.tree_util.tree_map(lambda s: jnp.where(s > 0, s, 1.0), spread))

    @property
    def shift(self) -> Any:
        """What is taken away."""
        return self.frozen.value[0]

    @property
    def scale(self) -> Any:
        """What is divided by."""
        return self.frozen.value[1]

    def __call__(self, x: PyTree) -> PyTree:
        """`(x - shift) / scale`, in the dtype of `x`."""
        return jax.tree_util.tree_map(lambda x, m, s: ((x - m) / s).astype(x.dtype), x, self.shift, self.scale)

    def inverse(self, z: PyTree) -> PyTree:
        """`shift + scale z`, in the dtype of `z`."""
        return jax.tree_util.tree_map(lambda z, m, s: (m + s * z).astype(z.dtype), z, self.shift, self.scale)

    def stretch(self, dz: PyTree) -> PyTree:
        """`scale dz`: what a derivative of `z` is as a derivative of `x`."""
        return jax.tree_util.tree_map(lambda d, s: (s * d).astype(d.dtype), dz, self.scale)

    def log_volume(self, x: Float[Array, " n"]) -> Float[Array, ""]:
        """`sum log |scale|` over the numbers of one `x`: the logarithm of the volume of its unit of `z`."""
        return jnp.sum(jnp.broadcast_to(jnp.log(jnp.abs(self.scale)), jnp.shape(x))).astype(x.dtype)


def _rows(x: Any) -> Any:
    x = jnp.asarray(x)
    if x.ndim < 2:
        msg = (
            f"`Normalise.of(data)` needs samples in front of the components, (..., n); got {describe(x)}. Add an axis."
        )
        raise ValueError(msg)
    return x.reshape(-1, x.shape[-1])


def _check_usable(tree: PyTree, name: str, *, nonzero: bool) -> None:
    if not is_concrete(tree):
        return
    for leaf in jax.tree_util.tree_leaves(tree):
        value = np.asarray(leaf)
        if not np.all(np.isfinite(value)) or (nonzero and np.any(value == 0)):
            rule = "finite and differ from zero" if nonzero else "finite"
            msg = f"`{name}` must be {rule}; got {value}. Use `Normalise.of(data)`, or leave such components unscaled."
            raise ValueError(msg)
