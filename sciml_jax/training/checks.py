"""Checks of what the user hands to `run` and `fit`."""

import numbers
import operator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PyTree

from ..core.frozen import is_trained


def as_key(key: Any) -> Array | None:
    """An integer seed (0 included), a PRNG key or None as a PRNG key or None."""
    if key is None:
        return None
    if isinstance(key, numbers.Integral) and not isinstance(key, bool):
        return jax.random.key(int(key))
    if hasattr(key, "dtype") and (jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ()):
        return key
    if hasattr(key, "dtype") and key.dtype == jnp.uint32 and key.shape in ((2,), (4,)):
        return jnp.asarray(key)
    what = f"shape {key.shape}, dtype {key.dtype}" if hasattr(key, "dtype") else f"{type(key).__name__} {key!r}"
    msg = f"key must be an integer seed or one PRNG key; received {what}. Use key=0 or key=jax.random.key(0)."
    raise TypeError(msg)


def as_count(value: Any, name: str) -> int:
    """A positive Python integer."""
    try:
        count = operator.index(value)
    except TypeError:
        msg = f"{name} must be a positive integer; received {type(value).__name__} {value!r}. Use {name}=int(...)."
        raise TypeError(msg) from None
    if count <= 0 or isinstance(value, bool):
        msg = f"{name} must be a positive integer; received {value!r}. Use {name}=1 or more."
        raise ValueError(msg)
    return count


def split_params(params: PyTree) -> tuple[PyTree, PyTree]:
    """Split into what is trained (floating and complex arrays, those in a `Frozen` excepted) and the rest."""
    trainable, frozen = eqx.partition(params, is_trained(params))
    if not jax.tree.leaves(trainable):
        kinds = sorted({type(leaf).__name__ for leaf in jax.tree.leaves(params)}) or ["no leaves"]
        msg = (
            "params must hold at least one floating-point array, because only those are trained; "
            f"received {', '.join(kinds)}. Convert numbers with jnp.asarray(value, float)."
        )
        raise TypeError(msg)
    # A weak type would change after the first update or a reload, and compile everything twice.
    return jax.tree.map(lambda x: jax.lax.convert_element_type(jnp.asarray(x), jnp.asarray(x).dtype), trainable), frozen


def check_callable(fn: Any, name: str, signature: str) -> None:
    """Refuse what cannot be called."""
    if not callable(fn) or isinstance(fn, type):
        what = f"the class {fn.__name__}" if isinstance(fn, type) else type(fn).__name__
        msg = (
            f"{name} must be a function {signature}; received {what}. Pass the function (or an instance with __call__) "
            "itself."
        )
        raise TypeError(msg)


def optimizer_kind(optimizer: Any) -> str:
    """``optax``, ``minimiser`` or ``least_squares``."""
    if isinstance(optimizer, optax.GradientTransformation):
        return "optax"
    if isinstance(optimizer, type) or not isinstance(optimizer, eqx.Module):
        msg = (
            "optimizer must be an Optax gradient transformation or an Optimistix minimiser or least-squares solver; "
            f"received {_name(optimizer)}. {_remedy(optimizer)}"
        )
        raise TypeError(msg)
    import optimistix as optx

    if isinstance(optimizer, optx.AbstractMinimiser):
        return "minimiser"
    if isinstance(optimizer, optx.AbstractLeastSquaresSolver):
        return "least_squares"
    msg = (
        "optimizer must be an Optax gradient transformation or an Optimistix minimiser or least-squares solver; "
        f"received {type(optimizer).__name__}. Root finders and fixed points minimise nothing: use "
        "optimistix.root_find."
    )
    raise TypeError(msg)


def _name(optimizer) -> str:
    if isinstance(optimizer, type):
        return f"the class {optimizer.__name__}"
    if callable(optimizer):
        return f"the function {getattr(optimizer, '__name__', optimizer)}"
    return f"{type(optimizer).__name__} {optimizer!r}"


def _remedy(optimizer) -> str:
    name = getattr(optimizer, "__name__", None)
    if isinstance(optimizer, type):
        return f"Make an instance: {name}(rtol=1e-6, atol=1e-6)."
    if callable(optimizer) and name is not None:
        return f"Call it: optax.{name}(1e-3)." if name != "lbfgs" else "Call it: optax.lbfgs()."
    return "Use optax.adam(1e-3), for example."
