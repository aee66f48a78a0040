"""Residual networks that start as a linear combination of features of the point."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .arguments import Activation, as_prng_key, as_size, check_activation, glorot_linear
from .fourier_features import FourierFeatures
from .modified_mlp import mix


class PirateBlock(eqx.Module):
    """Three gated layers around which a skip connection is mixed in by `share`, which starts at zero."""

    layers: tuple[eqx.nn.Linear, eqx.nn.Linear, eqx.nn.Linear]
    share: Float[Array, ""]

    def __call__(self, x: Array, first: Array, second: Array, activation: Activation) -> Array:
        """One block."""
        h = mix(activation(self.layers[0](x)), first, second)
        h = mix(activation(self.layers[1](h)), first, second)
        return mix(self.share, activation(self.layers[2](h)), x)


class PirateNet(eqx.Module):
    r"""A physics-informed residual adaptive network.

    With features $x_0 = \Phi(z)$ and gates $U = \sigma(W_U x_0 + b_U)$, $V = \sigma(W_V x_0 + b_V)$, block by block

    $$f = \sigma(W_1 x_l + b_1), \quad h = f \odot U + (1 - f) \odot V, \quad g = \sigma(W_2 h + b_2), \quad
    h' = g \odot U + (1 - g) \odot V, \quad x_{l+1} = \alpha_l \sigma(W_3 h' + b_3) + (1 - \alpha_l) x_l$$

    and $u = W x_L$. All $\alpha_l$ start at zero: the network begins as a linear combination of the features, however
    deep it is, and grows nonlinear as it trains. `fit_output` starts it at data.

    Parameters
    ----------
    in_size, out_size
        Number of coordinates and of components.
    width, depth
        Neurons per layer (even); number of blocks, each of three layers.
    key
        PRNG key or seed of the initial weights.
    activation
        Elementwise function; smooth where derivatives of the network are taken.
    embedding
        Callable (in_size,) -> (width,); `FourierFeatures(in_size, width, scale=scale)`, trained, if None. For periodic
        coordinates: `Chain(PeriodicEmbedding(...), FourierFeatures(...))`.
    scale
        Of the default embedding.
    dtype
        Of the weights; JAX's default float if None.

    Raises
    ------
    TypeError, ValueError
        For sizes that are not positive integers, and for an embedding that does not return `width` numbers.

    Notes
    -----
    `net(z)` maps (in_size,) to (out_size,). Cost: `3 depth width^2` multiplications. Made for first-order training of
    deep networks; small networks trained by quasi-Newton methods do not need it.

    References
    ----------
    Wang, Li, Chen, Perdikaris: PirateNets: physics-informed deep learning with residual adaptive networks, JMLR 25
    (2024).
    """

    embedding: Any
    gates: tuple[eqx.nn.Linear, eqx.nn.Linear]
    blocks: tuple[PirateBlock, ...]
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
        embedding: Any = None,
        scale: Any = 1.0,
        dtype: Any = None,
    ):
        in_size, out_size = as_size(in_size, "in_size"), as_size(out_size, "out_size")
        width, depth = as_size(width, "width"), as_size(depth, "depth")
        check_activation(activation)
        keys = iter(jax.random.split(as_prng_key(key), 3 * depth + 4))
        if embedding is None:
            embedding = FourierFeatures(in_size, width, key=next(keys), scale=scale, trained=True, dtype=dtype)
        _check_embedding(embedding, in_size, width)
        self.embedding = embedding
        square = lambda: glorot_linear(width, width, next(keys), dtype)
        self.gates = (square(), square())
        self.blocks = tuple(PirateBlock((square(), square(), square()), jnp.zeros((), dtype)) for _ in range(depth))
        self.output = glorot_linear(width, out_size, next(keys), dtype)
        self.activation = activation

    def features(self, z: Float[Array, " in_size"]) -> Float[Array, " width"]:
        """What the output layer combines."""
        x = self.embedding(z)
        first, second = (self.activation(gate(x)) for gate in self.gates)
        for block in self.blocks:
            x = block(x, first, second, self.activation)
        return x

    def __call__(self, z: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        """The components at one point."""
        return self.output(self.features(z))


def _check_embedding(embedding: Any, in_size: int, width: int) -> None:
    shape = eqx.filter_eval_shape(embedding, jnp.zeros(in_size)).shape
    if shape != (width,):
        msg = (
            f"`embedding` must map a point ({in_size},) to `width` numbers, ({width},), because blocks add to it; got "
            f"{shape}. Give it `out_size={width}`."
        )
        raise ValueError(msg)


def fit_output(net: Any, points: Float[Array, "n in_size"], values: Float[Array, "n out_size"]) -> Any:
    r"""The network with its output layer fitted to data: $\min_{W, b} \sum_i |W \Phi(z_i) + b - y_i|^2$.

    A start for physics-informed training at the initial condition, at data, or at a solution of a linearised equation.

    Parameters
    ----------
    net
        A network with `features(z)` and a linear layer `output`: `MLP`, `ModifiedMLP`, `PirateNet`.
    points, values
        Data: points (n, in_size) and values (n, out_size) or, for one component, (n,).

    Returns
    -------
    The network; least norm where the data do not determine the layer.

    Raises
    ------
    ValueError
        For data that do not fit the network.
    """
    features = jax.vmap(net.features)(points)
    values = values.reshape(len(points), -1)
    layer = net.output
    if not isinstance(layer, eqx.nn.Linear) or values.shape[1] != layer.weight.shape[0]:
        msg = (
            f"`values` must be (n, {layer.out_features}) for a plain linear output layer; got {values.shape} and a "
            f"{type(layer).__name__}. Fit before `factorise`, and give one column per component."
        )
        raise ValueError(msg)
    extended = jnp.concatenate([features, jnp.ones_like(features[:, :1])], axis=1)
    solution = jnp.linalg.lstsq(extended, values)[0].T.astype(layer.weight.dtype)
    fitted = eqx.tree_at(lambda at: (at.weight, at.bias), layer, (solution[:, :-1], solution[:, -1]))
    return eqx.tree_at(lambda at: at.output, net, fitted)
