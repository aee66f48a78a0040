"""Programs of a problem, compiled anew when what its plain functions read from outside has changed."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax

from ..core.callables import Function, captured_values, closes_over_tracer
from ..core.tree import Static

T = TypeVar("T")


def compiled(function: Callable[..., T]) -> Callable[..., T]:
    """`eqx.filter_jit` of `function(method, problem, key)`; called as it is where closures hold traced values."""

    @eqx.filter_jit
    def program(captured: Any, *args: Any) -> T:
        del captured  # part of the key of the compiled program
        return function(*args)

    @functools.wraps(function)
    def call(*args: Any) -> T:
        leaves = jax.tree.leaves(args, is_leaf=lambda leaf: isinstance(leaf, Function))
        functions = [leaf for leaf in leaves if isinstance(leaf, Function)]
        if any(closes_over_tracer(held) for held in functions):
            return jax.jit(lambda key: function(*args[:-1], key))(args[-1])
        return program(Static(captured_values(*functions)), *args)

    return call
