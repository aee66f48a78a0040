"""Checks of what is passed to a Krylov method. Each message states the rule, what was received, and the fix."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from ...core.tree import describe
from ..hoist import Hoisted


def traced_operator(function: Any, rhs: Any, name: str) -> Hoisted:
    """The function traced on a vector like `rhs`; refused if it does not return such a vector."""
    if not callable(function):
        msg = f"`{name}` must be a function of a vector; got {describe(function)}. For a matrix pass `lambda v: A @ v`."
        raise TypeError(msg)
    traced = Hoisted(function, rhs)
    out = traced.out_shape
    if getattr(out, "shape", None) != rhs.shape:
        msg = (
            f"`{name}(v)` must return a vector like `rhs`, of shape {rhs.shape}; got {describe(out)}. The operator "
            "must be square: one equation for each unknown."
        )
        raise ValueError(msg)
    if out.dtype != rhs.dtype:
        msg = (
            f"`{name}(v)` must keep the dtype of `rhs`, {rhs.dtype}; got {out.dtype}. Convert `rhs` to "
            f"{jnp.promote_types(out.dtype, rhs.dtype)}, or the result."
        )
        raise TypeError(msg)
    return traced


def check_rhs(rhs: Any) -> Any:
    """The right-hand side as an array; refused if it is not a vector of floats or complex numbers."""
    if not hasattr(rhs, "dtype") or not jnp.issubdtype(rhs.dtype, jnp.inexact):
        msg = f"`rhs` must be a float or complex vector; got {describe(rhs)}. Write `jnp.asarray(..., dtype=float)`."
        raise TypeError(msg)
    if rhs.ndim != 1 or rhs.size == 0:
        msg = (
            f"`rhs` must be a vector of at least one number; got shape {rhs.shape}. Pack it with `jnp.ravel`, a pytree "
            "with `jax.flatten_util.ravel_pytree`; for several right-hand sides use `jax.vmap`."
        )
        raise ValueError(msg)
    return jnp.asarray(rhs)


def check_like(vector: Any, rhs: Any, name: str) -> Any:
    """The vector in the dtype of `rhs`; refused if it does not fit. None stays None."""
    if vector is None:
        return None
    if np.shape(vector) != rhs.shape:
        msg = f"`{name}` must have the shape of `rhs`, {rhs.shape}; got {describe(vector)}. Pass None to leave it out."
        raise ValueError(msg)
    if jnp.promote_types(jnp.result_type(vector), rhs.dtype) != rhs.dtype:
        msg = f"`{name}` must fit into the dtype of `rhs`, {rhs.dtype}; got {describe(vector)}. Convert `rhs`."
        raise TypeError(msg)
    return jnp.asarray(vector, rhs.dtype)


def check_weights(weights: Any, rhs: Any) -> Any:
    """The weights as a real array; refused if they do not fit. None stays None."""
    if weights is None:
        return None
    if np.shape(weights) != rhs.shape or jnp.issubdtype(jnp.result_type(weights), jnp.complexfloating):
        msg = (
            f"`weights` must be real with the shape of `rhs`, {rhs.shape}; got {describe(weights)}. Pass one positive "
            "number per unknown, such as `1 / (atol + rtol * abs(y))`."
        )
        raise ValueError(msg)
    return jnp.asarray(weights, jnp.finfo(rhs.dtype).dtype)


def check_count(value: Any, name: str) -> int:
    """The limit as an integer; refused if it is not positive."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        msg = f"`{name}` must be a positive integer, known when tracing; got {value!r}. Pass, for example, `{name}=20`."
        raise ValueError(msg)
    return int(value)
