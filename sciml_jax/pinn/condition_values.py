"""What conditions prescribe: numbers, functions of the point, functions of point and parameters."""

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from ..core.callables import as_callable


class Constant(eqx.Module):
    """`(z, params) -> value`, the same everywhere."""

    held: Array

    def __call__(self, z: Array, params: Any = None) -> Array:
        """The value."""
        del z, params
        return self.held


class OfPoint(eqx.Module):
    """`(z, params) -> function(z)`."""

    function: Callable

    def __call__(self, z: Array, params: Any = None) -> Array:
        """The value at a point."""
        del params
        return jnp.asarray(self.function(z))


class OfPointAndParams(eqx.Module):
    """`(z, params) -> function(z, params)`."""

    function: Callable

    def __call__(self, z: Array, params: Any = None) -> Array:
        """The value at a point."""
        return jnp.asarray(self.function(z, params))


def as_value(value: Any, name: str) -> Callable:
    """A function `(z, params) -> value` from a number, an array, a function of z, or one of z and params."""
    if not callable(value):
        try:
            return Constant(jnp.asarray(value, float))
        except (TypeError, ValueError):
            msg = f"`{name}` must be a number or a function of the point; got {value!r}. Write `lambda z: ...`."
            raise TypeError(msg) from None
    if _takes_two(value):
        return OfPointAndParams(as_callable(value, name, "z", "params"))
    return OfPoint(as_callable(value, name, "z"))


def _takes_two(function: Callable) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(needed) == 2


def check_component(component: Any) -> int | None:
    """Refuse components that are no index."""
    if component is None or (isinstance(component, int) and not isinstance(component, bool) and component >= 0):
        return component
    msg = f"`component` must be an index 0, 1, ... or None for all; got {component!r}. Count components from zero."
    raise ValueError(msg)


def component_of(value: Array, component: int | None) -> Array:
    """One component of a value; a scalar is its own component 0."""
    return value if component is None or jnp.ndim(value) == 0 else value[component]
