"""Checks of what networks are built from."""

import numbers
import operator
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array


def as_size(value: Any, name: str, least: int = 1) -> int:
    """A Python integer of at least `least`."""
    try:
        size = operator.index(value)
    except TypeError:
        size = None
    if size is None or isinstance(value, bool):
        msg = f"`{name}` must be an integer; got {value!r} ({type(value).__name__}). Pass, for example, `{name}=64`."
        raise TypeError(msg)
    if size < least:
        msg = f"`{name}` must be at least {least}; got {size}. Pass, for example, `{name}={max(least, 64)}`."
        raise ValueError(msg)
    return size


def as_prng_key(key: Any) -> Array:
    """An integer seed or a PRNG key as a PRNG key."""
    dtype = getattr(key, "dtype", None)
    if isinstance(key, numbers.Integral) and not isinstance(key, bool):
        return jax.random.key(int(key))
    if dtype is not None and (jnp.issubdtype(dtype, jax.dtypes.prng_key) or dtype == jnp.uint32):
        return key
    msg = f"`key` must be a PRNG key or an integer seed; got {key!r}. Pass `key=jax.random.key(0)`."
    raise TypeError(msg)


def check_activation(activation: Any) -> None:
    """Refuse what is not a function of an array."""
    if isinstance(activation, type) or not callable(activation):
        msg = f"`activation` must be a function such as `jnp.tanh`; got {activation!r}. Pass the function itself."
        raise TypeError(msg)


def check_point(z: Array, size: Any, name: str) -> None:
    """Refuse anything but one point of `size` coordinates."""
    if jnp.shape(z) != (size,):
        msg = (
            f"`{name}` takes one point of shape ({size},); got shape {jnp.shape(z)}. Map over points with "
            "`jax.vmap(net)(points)`, or build the network for that number of coordinates."
        )
        raise ValueError(msg)


def glorot_linear(in_size: int, out_size: int, key: Array, dtype: Any = None) -> eqx.nn.Linear:
    r"""A linear layer with weights $N(0, 2 / (n_{in} + n_{out}))$ and zero biases (Glorot and Bengio 2010)."""
    layer = eqx.nn.Linear(in_size, out_size, dtype=dtype, key=key)
    weight = layer.weight
    spread = (2.0 / (in_size + out_size)) ** 0.5
    drawn = spread * jax.random.normal(key, weight.shape, weight.dtype)
    return eqx.tree_at(lambda at: (at.weight, at.bias), layer, (drawn, jnp.zeros(out_size, weight.dtype)))


Activation = Callable[[Array], Array]
