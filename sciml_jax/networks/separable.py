"""Sums of products of functions of one coordinate each."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .arguments import Activation, as_prng_key, as_size, check_point
from .mlp import MLP


class SeparableNetwork(eqx.Module):
    r"""The separable network $u_c(z) = \sum_{r=1}^{\mathrm{rank}} \prod_i f_{i,cr}(z_i)$.

    Each $f_i$ is a small network of one coordinate. On a tensor grid (`net.on_grid(axes)`) they are evaluated once per
    axis value instead of once per point: $n d$ evaluations for $n^d$ points, which is what makes physics-informed
    training on dense grids in 3 and 4 dimensions cheap.

    Parameters
    ----------
    in_size, out_size
        Number of coordinates and of components.
    width, depth
        Of each coordinate's `MLP`.
    rank
        Number of products.
    key
        PRNG key or seed of the initial weights.
    activation
        Elementwise function; smooth where derivatives of the network are taken.
    dtype
        Of the weights; JAX's default float if None.

    Raises
    ------
    TypeError, ValueError
        For sizes that are not positive integers, and, when called, for anything but one point (in_size,).

    Notes
    -----
    `net(z)` maps (in_size,) to (out_size,) like any other network. Solutions that do not separate well (a front along a
    diagonal) need a high rank: take another network for those.

    References
    ----------
    Cho et al.: Separable physics-informed neural networks, NeurIPS 2023.
    """

    factors: tuple[MLP, ...]
    out_size: int = eqx.field(static=True)

    def __init__(
        self,
        in_size: int,
        out_size: int,
        width: int,
        depth: int,
        *,
        rank: int = 32,
        key: Any,
        activation: Activation = jnp.tanh,
        dtype: Any = None,
    ):
        in_size, out_size, rank = as_size(in_size, "in_size"), as_size(out_size, "out_size"), as_size(rank, "rank")
        keys = jax.random.split(as_prng_key(key), in_size)
        make = lambda k: MLP(1, out_size * rank, width, depth, key=k, activation=activation, dtype=dtype)
        self.factors = tuple(make(k) for k in keys)
        self.out_size = out_size

    def __call__(self, z: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        """The components at one point."""
        check_point(z, len(self.factors), "net(z)")
        product = self._along(0, z[0])
        for i in range(1, len(self.factors)):
            product = product * self._along(i, z[i])
        return jnp.sum(product, axis=1)

    def on_grid(self, axes: Sequence[Float[Array, " n"]]) -> Float[Array, "... out_size"]:
        """The components on the grid of all combinations of the axes' values, (n_1, ..., n_d, out_size).

        Parameters
        ----------
        axes
            One vector of values per coordinate.

        Raises
        ------
        ValueError
            If there are not as many axes as coordinates.
        """
        if len(axes) != len(self.factors):
            msg = (
                f"`axes` must hold one vector per coordinate, {len(self.factors)}; got {len(axes)}. Pass a tuple "
                "such as `(ts, xs)`."
            )
            raise ValueError(msg)
        values = [jax.vmap(lambda s, i=i: self._along(i, s))(jnp.asarray(axis)) for i, axis in enumerate(axes)]
        grid = values[0]
        for value in values[1:-1]:
            grid = grid[..., None, :, :] * value
        return jnp.sum(grid, axis=-1) if len(values) == 1 else jnp.einsum("...cr,ncr->...nc", grid, values[-1])

    def _along(self, i: int, s: Array) -> Float[Array, "out_size rank"]:
        return self.factors[i](s[None]).reshape(self.out_size, -1)
