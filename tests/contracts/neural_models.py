"""The list of neural models that the laws run over. A new model joins by one line here, and inherits every law."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

import sciml_jax as sj

TS = jnp.linspace(0.0, 0.5, 3)


class ListedModel(NamedTuple):
    """A model and how it is called."""

    kind: type
    make: Callable[[], Any]
    """A small instance; what it is made of does not matter."""
    call: Callable[[Any, Any], Any]
    """`(model, x) -> array`, for x of shape (2,)."""
    is_representative: bool = False
    """Whether the laws run by default."""


def mlp(inputs: int, outputs: int, seed: int = 0, **options: Any) -> Any:
    """A network with one hidden layer of four."""
    options = {"activation": jnp.tanh} | options
    return eqx.nn.MLP(inputs, outputs, 4, 1, key=jax.random.key(seed), **options)


def _series(x: Any) -> Any:
    return jnp.stack([x, 2 * x, jnp.where(jnp.arange(2) == 0, jnp.nan, x)])


def _known(t: Any, y: Any, p: Any) -> Any:
    return -p * y


def _constraint(t: Any, y: Any, z: Any) -> Any:
    return z - y[:1]


nn = sj.neural
STEP = {"method": sj.EulerMaruyama(), "dt0": 0.1}
RATE = {"final_activation": jax.nn.softplus}
plain = lambda model, x: model(x, TS)
drawn = lambda model, x: model(x, TS, key=1)

MODELS = (
    ListedModel(nn.NeuralODE, lambda: nn.NeuralODE(mlp(2, 2)), plain, is_representative=True),
    ListedModel(nn.AugmentedNeuralODE, lambda: nn.AugmentedNeuralODE(mlp(3, 3), 1), plain),
    ListedModel(nn.Universal, lambda: nn.Universal(_known, mlp(2, 2), jnp.array(0.5)), plain),
    ListedModel(nn.HamiltonianNN, lambda: nn.HamiltonianNN(mlp(2, 1)), plain),
    ListedModel(nn.NeuralDDE, lambda: nn.NeuralDDE(mlp(4, 2), [0.2]), plain),
    ListedModel(
        nn.NeuralDAE,
        lambda: nn.NeuralDAE(mlp(3, 2), _constraint),
        lambda model, x: model((x, x[:1]), TS)[0],
    ),
    ListedModel(nn.NeuralSDE, lambda: nn.NeuralSDE(mlp(2, 2), mlp(2, 2, 1), **STEP), drawn),
    ListedModel(nn.NeuralJumpSDE, lambda: nn.NeuralJumpSDE(mlp(2, 2), None, mlp(2, 1, 2, **RATE), mlp(2, 2, 3)), drawn),
    ListedModel(
        nn.NeuralCDE,
        lambda: nn.NeuralCDE(mlp(3, 9), mlp(3, 3, 1), mlp(3, 2, 2)),
        lambda model, x: model(TS, _series(x)),
        is_representative=True,
    ),
    ListedModel(nn.FFJORD, lambda: nn.FFJORD(mlp(2, 2), 2), lambda model, x: model(x)[None]),
)
