"""Problems whose solution is a steady state."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ...core.callables import as_callable
from ...core.checks import check_finite_tree, check_inexact_tree


class SteadyStateProblem(eqx.Module):
    """Find `y` with `f(t, y, args) = 0`, where `dy/dt = f` comes to rest.

    Parameters
    ----------
    vector_field
        `f(t, y, args) -> dy/dt` as for `ODEProblem`. It must not depend on time: `t` is always 0.
    y0
        Initial guess, or initial state for `sj.DynamicSS`: any pytree of float arrays.
    args
        Any pytree, handed to the vector field.

    Raises
    ------
    TypeError, ValueError
        For states that are not real floats or not finite, or a vector field that is not callable.

    Notes
    -----
    A frozen pytree: it can be an argument of `jit`, `vmap` and `grad`.
    """

    vector_field: Callable
    y0: PyTree
    args: PyTree

    def __init__(self, vector_field: Callable, y0: PyTree, args: PyTree = None):
        check_inexact_tree(y0, "y0")
        check_finite_tree(y0, "y0")
        self.vector_field = as_callable(vector_field, "vector_field", "t", "y", "args")
        self.y0 = jax.tree_util.tree_map(jnp.asarray, y0)
        self.args = args
        for leaf in jax.tree_util.tree_leaves(self.y0):
            if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
                msg = f"`y0` of a steady state must be real; got {leaf.dtype}. Split it into real and imaginary parts."
                raise TypeError(msg)

    def default_method(self) -> Any:
        """The method behind `method=None`: `DynamicSS`, which needs no good guess."""
        from .dynamic import DynamicSS

        return DynamicSS()
