"""Compiled functions of a posterior, compiled anew when what its plain functions read from outside has changed."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax

from ..core.callables import Function, captured_values, closes_over_tracer
from ..core.tree import Static
from .posterior import Posterior

T = TypeVar("T")


def compiled(function: Callable[..., T]) -> Callable[..., T]:
    """`eqx.filter_jit` of a function whose first argument is a posterior.

    Where the likelihood's functions close over traced values, the function is part of another program already and is
    called as it is.
    """

    @eqx.filter_jit
    def program(captured, posterior, *args):
        del captured  # part of the key of the compiled program
        return function(posterior, *args)

    @functools.wraps(function)
    def call(posterior: Posterior, *args: Any) -> T:
        leaves = jax.tree.leaves(posterior, is_leaf=lambda leaf: isinstance(leaf, Function))
        functions = [leaf for leaf in leaves if isinstance(leaf, Function)]
        if any(closes_over_tracer(held) for held in functions):
            return function(posterior, *args)
        return program(Static(captured_values(*functions)), posterior, *args)

    return call
