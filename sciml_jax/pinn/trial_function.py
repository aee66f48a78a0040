"""The function that is trained: a network between the scaling of coordinates and the conditions that hold exactly."""

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core.frozen import Frozen
from ..core.tree import is_concrete
from ..networks.mlp import MLP
from .problem_checks import as_row, stand_in


class Embedding(eqx.Module):
    """Coordinates scaled to [-1, 1]; the periodic ones as cosine and sine."""

    lower: Array
    upper: Array
    periodic: tuple[int, ...] = eqx.field(static=True)

    @property
    def size(self) -> int:
        """The number of inputs that a network gets."""
        return self.lower.shape[0] + len(self.periodic)

    def __call__(self, z: Float[Array, " d"]) -> Float[Array, " size"]:
        """The inputs of a network."""
        s = (z - self.lower) / (self.upper - self.lower)
        parts = []
        for axis in range(z.shape[0]):
            if axis in self.periodic:
                angle = 2 * jnp.pi * s[axis]
                parts += [jnp.cos(angle), jnp.sin(angle)]
            else:
                parts.append(2 * s[axis] - 1)
        return jnp.stack(parts)


class TrialFunction(eqx.Module):
    """`(z, params) -> u`, shape () for one unknown function, else (m,)."""

    net: Callable
    embedding: Frozen
    """An `Embedding`, or None for networks that take the point itself."""
    hard: Frozen
    """`HardConditions`, or None."""
    num_outputs: int = eqx.field(static=True)

    def __call__(self, z: Float[Array, " d"], params: Any) -> Array:
        """The value at a point."""
        embedding, hard = self.embedding.value, self.hard.value
        value = jnp.reshape(self.net(z if embedding is None else embedding(z)), (self.num_outputs,))
        if hard is not None:
            value = hard(value, z, params).astype(value.dtype)
        return value[0] if self.num_outputs == 1 else value


def make_trial_function(problem: Any, network: Any, size: tuple[int, int], hard: Any, key: Any) -> TrialFunction:
    """The trial function of a problem, from a network, a function that makes one, or None for a perceptron."""
    domain = problem.domain
    periodic = tuple(domain.names.index(name) for name in domain.periodic)
    embedding = Embedding(domain.lower, domain.upper, periodic)
    if network is None:
        width, depth = size
        net = _spread(MLP(embedding.size, problem.num_outputs, width, depth, key=key, dtype=domain.lower.dtype), key)
    elif _makes_networks(network):
        net = network(embedding.size, problem.num_outputs, key)
    else:
        net, embedding = network, None
    trial = TrialFunction(net, Frozen(embedding), Frozen(hard), problem.num_outputs)
    _check_output(problem, net, embedding)
    check_smooth(problem, trial)
    return trial


def _spread(net: MLP, key: Any) -> MLP:
    """Biases of the first layer spread over the inputs: layers of tanh without them all turn at the centre."""
    bias = net.hidden[0].bias
    assert bias is not None
    fresh = jax.random.uniform(jax.random.fold_in(key, 1), bias.shape, bias.dtype, -1.0, 1.0)
    return eqx.tree_at(lambda net: net.hidden[0].bias, net, fresh)


def _makes_networks(network: Any) -> bool:
    if isinstance(network, eqx.Module):
        return False
    if not callable(network):
        msg = (
            f"`network` must be a network `net(z)`, or a function `(in_size, out_size, key) -> net`; got {network!r}. "
            "Pass, for example, `sj.networks.MLP(2, 1, 32, 3, key=0)`."
        )
        raise TypeError(msg)
    try:
        inspect.signature(network).bind(1, 1, None)
    except TypeError:
        return False
    return True


def _check_output(problem: Any, net: Callable, embedding: Embedding | None) -> None:
    size = problem.domain.dim if embedding is None else embedding.size
    try:
        out = jax.eval_shape(net, jax.ShapeDtypeStruct((size,), problem.domain.lower.dtype))
    except (TypeError, ValueError) as error:
        msg = f"`network` must take a vector ({size},); calling it failed: {error}. Give it {size} inputs."
        raise ValueError(msg) from error
    allowed = [(problem.num_outputs,)] + ([()] if problem.num_outputs == 1 else [])
    if getattr(out, "shape", None) not in allowed:
        msg = (
            f"`network` must return {problem.num_outputs} number(s), one for each unknown function; got "
            f"{getattr(out, 'shape', out)}. Give it so many outputs, or pass `num_outputs` to the problem."
        )
        raise ValueError(msg)


def check_smooth(problem: Any, trial: TrialFunction, highest: int = 4) -> None:
    """Refuse networks whose derivatives vanish where the residual needs them, such as ReLU's second one."""
    params = problem.all_params(problem.unknown)
    if not is_concrete((problem, eqx.filter(trial, eqx.is_array))):
        return
    with jax.ensure_compile_time_eval():
        needed = _order(problem, params, highest)
        vanishes = needed >= 2 and _vanishes(problem, trial, needed)
    if vanishes:
        msg = (
            f"The residual takes derivatives of order {needed}, which of this network are zero everywhere. Its "
            "activation must be smooth: use `jnp.tanh`, `jnp.sin` or `jax.nn.silu` in place of ReLU."
        )
        raise ValueError(msg)


def _vanishes(problem: Any, trial: TrialFunction, order: int) -> bool:
    """Whether the derivatives of one order of the network are zero at random places along random directions."""
    embedding = trial.embedding.value
    size = problem.domain.dim if embedding is None else embedding.size
    places = jax.random.uniform(jax.random.key(2), (8, size), problem.domain.lower.dtype)
    if embedding is None:
        places = problem.domain.lower + places * (problem.domain.upper - problem.domain.lower)
    direction = jax.random.normal(jax.random.key(3), (size,), places.dtype)
    found = jax.vmap(_along(trial.net, direction, order))(places)
    return is_concrete(found) and not np.any(np.asarray(found))


def _along(function: Callable, direction: Array, order: int) -> Callable:
    for _ in range(order):
        function = lambda z, f=function: jax.jvp(f, (z,), (direction,))[1]
    return function


def _order(problem: Any, params: Any, highest: int) -> int:
    """The highest derivative at z that the residual feels, by functions that differ in it alone."""
    z = problem.domain.interior(jax.random.key(0), 1)[0]
    direction = jax.random.normal(jax.random.key(1), z.shape, z.dtype)
    base = stand_in(problem)
    before = as_row(problem.residual(base, z, params))
    for order in range(highest, 1, -1):
        bent = lambda w, order=order: base(w) + jnp.dot(direction, w - z) ** order
        change = as_row(problem.residual(bent, z, params)) - before
        if not is_concrete(change):
            return 0
        if np.any(np.abs(np.asarray(change)) > 1e-6 * np.abs(np.asarray(before)) + 1e-12):
            return order
    return 0
