"""A multilayer perceptron with the initial weights that physics-informed training wants."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .arguments import Activation, as_prng_key, as_size, check_activation, check_point, glorot_linear


class MLP(eqx.Module):
    r"""The perceptron $h_{k+1} = \sigma(W_k h_k + b_k)$, $u = W h_{\mathrm{depth}} + b$, with Glorot's weights.

    Differs from `equinox.nn.MLP` in how it starts only: weights normal with variance $2 / (n_{in} + n_{out})$, biases
    zero, which keeps derivatives with respect to `z` of order one through the layers.

    Parameters
    ----------
    in_size, out_size
        Number of coordinates and of components.
    width, depth
        Neurons per hidden layer; number of hidden layers.
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
    `net(z)` maps (in_size,) to (out_size,); use `jax.vmap` for many points. Cost: `depth width^2` multiplications.

    References
    ----------
    Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010.
    """

    hidden: tuple[eqx.nn.Linear, ...]
    output: eqx.nn.Linear
    activation: Activation = eqx.field(static=True)

    def __init__(
        self,
        in_size: int,
        out_size: int,
        width: int,
        depth: int,
        *,
        key: Any,
        activation: Activation = jnp.tanh,
        dtype: Any = None,
    ):
        in_size, out_size = as_size(in_size, "in_size"), as_size(out_size, "out_size")
        width, depth = as_size(width, "width"), as_size(depth, "depth")
        check_activation(activation)
        keys = jax.random.split(as_prng_key(key), depth + 1)
        sizes = [in_size] + [width] * depth
        self.hidden = tuple(glorot_linear(n, width, k, dtype) for n, k in zip(sizes[:-1], keys[:-1], strict=True))
        self.output = glorot_linear(width, out_size, keys[-1], dtype)
        self.activation = activation

    def features(self, z: Float[Array, " in_size"]) -> Float[Array, " width"]:
        """What the output layer combines."""
        check_point(z, self.hidden[0].in_features, "net(z)")
        for layer in self.hidden:
            z = self.activation(layer(z))
        return z

    def __call__(self, z: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        """The components at one point."""
        return self.output(self.features(z))
