"""One converter for everything callable.

A problem is a pytree and an argument of `jit` and `vmap`, so the functions in it must be pytrees too: Equinox modules
and `jax.tree_util.Partial` already are (their arrays are traced); a plain function becomes a module that holds it as
static.
"""

import contextlib
import dis
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, cast

import equinox as eqx
import jax
import jax.core
import numpy as np

SMALL_ARRAY = 10_000
"""NumPy arrays of up to this many elements are compared by their bytes where a function reads them from outside."""


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


class _Identity:
    """An object as a key that compares by identity and keeps it alive, so that its identity is not used again."""

    def __init__(self, held: Any):
        self.held = held

    def __hash__(self) -> int:
        return id(self.held)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.held is other.held


def captured_values(*callables: Any) -> tuple:
    """What plain functions read from outside, as a key: closures and globals, and those of functions that they name.

    A compiled program freezes those values. With them in the key, an eager solve after a change compiles anew instead
    of returning the old numbers. Numbers and small NumPy arrays are compared by value, everything else by identity:
    attributes of objects and entries of lists are not looked into.
    """
    found: list = []
    for value in _reachable(*callables):
        if isinstance(value, (bool, int, float, complex, str, type(None))):
            found.append((type(value), value))
        elif isinstance(value, np.ndarray) and value.size <= SMALL_ARRAY and value.dtype != object:
            found.append((value.shape, value.dtype.str, value.tobytes()))
        else:
            found.append(_Identity(value))
    return tuple(found)


def held_values(*callables: Any) -> list:
    """Objects that plain functions read from outside: their closures, globals, and those of functions that they name.

    Decorated functions (`functools.wraps`, `jax.jit`) are looked through at the first level.
    """
    plain = [held.function if isinstance(held, Function) else held for held in callables]
    return list(_reachable(*(inspect.unwrap(function) for function in plain)))


def _reachable(*callables: Any) -> Iterator[Any]:
    """The functions among `callables` and what they read, each object once; numbers each time that they appear."""
    seen: set[int] = set()
    stack = [function for held in callables for function in _plain_functions(held)]
    while stack:
        value = stack.pop()
        if id(value) in seen and not isinstance(value, (bool, int, float, complex, str, np.ndarray)):
            continue
        seen.add(id(value))
        yield value
        if inspect.isfunction(value):
            stack.extend(_reads(value))


def _plain_functions(held: Any) -> list:
    """The plain functions in a callable: a module or a `Partial` is compared by its structure, not by its identity."""
    if isinstance(held, Function):
        return [held.function]
    if not isinstance(held, (eqx.Module, jax.tree_util.Partial)):
        return [held]
    leaves = jax.tree_util.tree_leaves(held, is_leaf=lambda leaf: isinstance(leaf, Function))
    inside = [leaf.function if isinstance(leaf, Function) else leaf for leaf in leaves]
    own = held.func if isinstance(held, jax.tree_util.Partial) else type(held).__call__
    return [function for function in (*inside, inspect.unwrap(own)) if inspect.isfunction(function)]


def _reads(function: Any) -> list:
    """The contents of a function's closure and the globals that its code names, but for those that it writes itself."""
    code = function.__code__
    written = _written_names(code)
    values = []
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        if name not in written:
            with contextlib.suppress(ValueError):  # an empty cell
                values.append(cell.cell_contents)
    outside = function.__globals__
    return values + [outside[name] for name in code.co_names if name in outside and name not in written]


@functools.lru_cache(maxsize=1024)
def _written_names(code: Any) -> frozenset[str]:
    """Variables outside a function that it assigns, such as a counter of its calls: they do not shape its result."""
    stores = ("STORE_GLOBAL", "STORE_DEREF")
    return frozenset(step.argval for step in dis.get_instructions(code) if step.opname in stores)


def closes_over_tracer(*callables: Any) -> bool:
    """Whether any plain function among `callables` has a traced value in its closure."""
    for function in (function for held in callables for function in _plain_functions(held)):
        for cell in getattr(function, "__closure__", None) or ():
            try:
                leaves = jax.tree_util.tree_leaves(cell.cell_contents)
            except ValueError:  # an empty cell
                continue
            if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
                return True
    return False


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
