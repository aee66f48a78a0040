"""One converter for everything callable.

A problem is a pytree and an argument of `jit` and `vmap`, so the functions in it must be pytrees too: Equinox modules
and `jax.tree_util.Partial` already are (their arrays are traced); a plain function becomes a module that holds it as
static.
"""

import inspect
from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
import jax


class Function(eqx.Module):
    """A plain Python function as a pytree without leaves; calling it calls the function."""

    function: Callable = eqx.field(static=True)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.function(*args, **kwargs)


def as_callable(function: Any, name: str, *arguments: str) -> Callable:
    """Turn `function` into a callable pytree.

    `name` is what messages call it; `arguments` are the names of what it will be called with, where that is to be
    checked now.
    """
    if isinstance(function, type):
        msg = (
            f"`{name}` must be a function or a callable object; got the class `{function.__name__}`. "
            f"Pass an instance, `{function.__name__}(...)`."
        )
        raise TypeError(msg)
    if not callable(function):
        msg = f"`{name}` must be callable; got {function!r} of type {type(function).__name__}. Pass a function."
        raise TypeError(msg)
    _check_signature(function, name, arguments)
    if isinstance(function, (eqx.Module, jax.tree_util.Partial)):
        return cast(Callable, function)
    bound_to = getattr(function, "__self__", None)
    if isinstance(bound_to, eqx.Module):
        # A bound method of a module: its arrays must stay visible to jit, vmap and grad.
        return jax.tree_util.Partial(function.__func__, bound_to)
    return Function(function)


def _check_signature(function: Any, name: str, arguments: tuple[str, ...]) -> None:
    if not arguments:
        return
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins have none
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        call = ", ".join(arguments)
        msg = f"`{name}` is called with ({call}); got one that takes {signature}: {error}. Give it {len(arguments)}."
        raise TypeError(msg) from None
