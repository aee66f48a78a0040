"""The perceptron with two gates that every hidden layer mixes in."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .arguments import Activation, as_prng_key, as_size, check_activation, check_point, glorot_linear


class ModifiedMLP(eqx.Module):
    r"""The perceptron whose hidden layers choose between two encodings of the point.

    $$U = \sigma(W_U z + b_U), \quad V = \sigma(W_V z + b_V), \quad g_k = \sigma(W_k h_k + b_k), \quad
    h_{k+1} = g_k \odot U + (1 - g_k) \odot V,$$

    $h_0 = z$, and $u = W h_{\mathrm{depth}} + b$. The products let it represent interactions of coordinates with few
    layers; on multiscale problems it trains better than an `MLP` of its size.

    Parameters
    ----------
    in_size, out_size
        Number of coordinates and of components.
    width, depth
        Neurons per hidden layer; number of hidden layers.
    key
        PRNG key or seed of the initial weights (Glorot normal, biases zero).
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
    `net(z)` maps (in_size,) to (out_size,). Cost: that of an `MLP` plus two layers of `in_size width` and two products
    per layer. Not worth it for smooth solutions of few coordinates, where an `MLP` is cheaper.

    References
    ----------
    Wang, Teng, Perdikaris: Understanding and mitigating gradient flow pathologies in physics-informed neural networks,
    SIAM J. Sci. Comput. 43 (2021).
    """

    gates: tuple[eqx.nn.Linear, eqx.nn.Linear]
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
        keys = jax.random.split(as_prng_key(key), depth + 3)
        sizes = [in_size] + [width] * depth
        self.gates = (glorot_linear(in_size, width, keys[0], dtype), glorot_linear(in_size, width, keys[1], dtype))
        self.hidden = tuple(glorot_linear(n, width, k, dtype) for n, k in zip(sizes[:-1], keys[2:-1], strict=True))
        self.output = glorot_linear(width, out_size, keys[-1], dtype)
        self.activation = activation

    def features(self, z: Float[Array, " in_size"]) -> Float[Array, " width"]:
        """What the output layer combines."""
        check_point(z, self.gates[0].in_features, "net(z)")
        first, second = (self.activation(gate(z)) for gate in self.gates)
        for layer in self.hidden:
            z = mix(self.activation(layer(z)), first, second)
        return z

    def __call__(self, z: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        """The components at one point."""
        return self.output(self.features(z))


def mix(share: Array, first: Array, second: Array) -> Array:
    """`share first + (1 - share) second`, with one product."""
    return second + share * (first - second)
