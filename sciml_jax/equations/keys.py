"""Keys of random methods."""

import numbers
from typing import Any

import jax
import jax.numpy as jnp


def as_key(key: Any, method: str) -> Any:
    """A PRNG key from an integer seed (0 included, traced ones too) or a PRNG key; None is refused."""
    if key is None:
        msg = f"`{method}` draws random numbers and needs `key`, an integer seed or a PRNG key; got None. Pass `key=0`."
        raise ValueError(msg)
    if isinstance(key, numbers.Integral) and not isinstance(key, bool):
        return jax.random.key(int(key))
    dtype, shape = getattr(key, "dtype", None), getattr(key, "shape", None)
    if dtype is not None and shape == () and jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return key
    if dtype is not None and shape == () and jnp.issubdtype(dtype, jnp.integer):
        return jax.random.key(key)
    if dtype == jnp.uint32 and shape == (2,):
        return jax.random.wrap_key_data(jnp.asarray(key))
    what = f"{dtype}{list(shape or ())}" if dtype is not None else f"{key!r} ({type(key).__name__})"
    hint = " For many paths map over the keys: `jax.vmap(lambda key: ...)(keys)`." if shape else ""
    msg = f"`key` must be an integer seed or one PRNG key; got {what}. Pass `key=0` or `key=jax.random.key(0)`.{hint}"
    raise TypeError(msg)
