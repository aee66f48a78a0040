"""Random weight factorisation: every neuron with a learning rate of its own."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .arguments import as_prng_key


class FactorisedLinear(eqx.Module):
    r"""The linear layer $x \mapsto \mathrm{diag}(e^{s}) V x + b$, of which $s$, $V$ and $b$ are trained.

    Made by `factorise`; equal to the layer that it was made from until training moves it.
    """

    log_scale: Float[Array, " out"]
    direction: Float[Array, "out in"]
    bias: Float[Array, " out"] | None

    @property
    def in_features(self) -> int:
        """Length of what it takes."""
        return self.direction.shape[1]

    @property
    def out_features(self) -> int:
        """Length of what it returns."""
        return self.direction.shape[0]

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        """The layer at one point."""
        out = jnp.exp(self.log_scale) * (self.direction @ x)
        return out if self.bias is None else out + self.bias


def factorise(net: PyTree, *, key: Any, mean: float = 1.0, std: float = 0.1) -> Any:
    r"""A network with the weights of every linear layer factorised, $W = \mathrm{diag}(e^{s}) V$.

    Scales start at $s_i \sim N(\mathrm{mean}, \mathrm{std}^2)$. The function that the network computes stays the same
    to rounding; only how gradient descent moves it changes: neurons get step sizes of their own, which lowers the error
    of physics-informed networks trained by first-order methods (Adam, SOAP). Quasi-Newton and Gauss-Newton methods gain
    nothing from it.

    Parameters
    ----------
    net
        Any pytree with `equinox.nn.Linear` layers (vector in, vector out) inside.
    key
        PRNG key or seed of the scales.
    mean, std
        Of their logarithms; 0.5 to 1 and 0.1 are usual.

    Returns
    -------
    The pytree with a `FactorisedLinear` for each linear layer.

    Raises
    ------
    TypeError
        If there is no linear layer in it.

    References
    ----------
    Wang, Wang, Seidman, Perdikaris: Random weight factorization improves the training of continuous neural
    representations, arXiv:2210.01274 (2022).
    """
    is_linear = lambda node: isinstance(node, eqx.nn.Linear)
    nodes, treedef = jax.tree_util.tree_flatten(net, is_leaf=is_linear)
    if not any(is_linear(node) for node in nodes):
        msg = (
            f"`net` must hold `equinox.nn.Linear` layers to factorise; got none in {type(net).__name__}. Pass a "
            "network such as `MLP(2, 1, 64, 3, key=0)`."
        )
        raise TypeError(msg)
    keys = jax.random.split(as_prng_key(key), len(nodes))
    changed = [
        _factorised(node, k, mean, std) if is_linear(node) else node for node, k in zip(nodes, keys, strict=True)
    ]
    return jax.tree_util.tree_unflatten(treedef, changed)


def _factorised(layer: eqx.nn.Linear, key: Array, mean: float, std: float) -> FactorisedLinear:
    weight = layer.weight
    log_scale = mean + std * jax.random.normal(key, weight.shape[:1], weight.dtype)
    return FactorisedLinear(log_scale, weight * jnp.exp(-log_scale)[:, None], layer.bias)
