"""One converter for everything callable, and hoisting of closed-over values.

A problem is a pytree and an argument of `jit` and `vmap`, so the functions in it must be pytrees too: Equinox modules
and `jax.tree_util.Partial` already are (their arrays are traced); a plain function becomes a module that holds it as
static.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun


class Function(eqx.Module):
    """A plain Python function as a pytree without leaves; calling it calls the function."""

    function: Callable = eqx.field(static=True)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.function(*args, **kwargs)


def as_callable(function: Any, name: str) -> Callable:
    """Turn `function` into a callable pytree; `name` is used in the message when it is not callable."""
    if isinstance(function, type):
        msg = (
            f"`{name}` must be a function or a callable object; got the class `{function.__name__}`. "
            f"Pass an instance, `{function.__name__}(...)`."
        )
        raise TypeError(msg)
    if not callable(function):
        msg = f"`{name}` must be callable; got {function!r} of type {type(function).__name__}. Pass a function."
        raise TypeError(msg)
    if isinstance(function, (eqx.Module, jax.tree_util.Partial)):
        return function
    bound_to = getattr(function, "__self__", None)
    if isinstance(bound_to, eqx.Module):
        # A bound method of a module: its arrays must stay visible to jit, vmap and grad.
        return jax.tree_util.Partial(function.__func__, bound_to)
    return Function(function)


class Hoisted:
    """A traced function whose closed-over values have become explicit operands.

    `hoisted = Hoisted(fn, *examples)` traces `fn(*examples)` once; `hoisted.consts` are the values it had closed over,
    tracers of outer transformations included; `hoisted.jaxpr` takes those constants first and then the flat arguments.
    Values that a function closes over must be operands wherever the function ends up inside a custom derivative or
    batching rule: JAX cannot see them there. Small concrete constants stay in the program, where they can be folded.
    """

    def __init__(self, fn: Callable, *examples: Any):
        closed, self.out_shape = jax.make_jaxpr(fn, return_shape=True)(*examples)
        keep = [_is_small_constant(const) for const in closed.consts]
        kept = [const for const, small in zip(closed.consts, keep, strict=True) if small]
        self.consts: tuple = tuple(const for const, small in zip(closed.consts, keep, strict=True) if not small)

        def explicit(consts, *flat):
            rest, fixed = iter(consts), iter(kept)
            merged = [next(fixed) if small else next(rest) for small in keep]
            return jaxpr_as_fun(ClosedJaxpr(closed.jaxpr, merged))(*flat)

        flat = jax.tree_util.tree_leaves(examples)
        self.jaxpr: ClosedJaxpr = jax.make_jaxpr(explicit)(self.consts, *flat)

    def __call__(self, *flat: Any) -> tuple:
        """Evaluate on flat operands, the constants first; returns the flat outputs."""
        return tuple(jaxpr_as_fun(self.jaxpr)(*flat))


def _is_small_constant(const: Any) -> bool:
    if isinstance(const, jax.core.Tracer) or jnp.issubdtype(const.dtype, jax.dtypes.extended):
        return False
    return np.size(const) <= 64 and getattr(const, "is_fully_addressable", True)
