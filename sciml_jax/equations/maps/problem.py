"""Problems in discrete time."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ...core.callables import as_callable
from ...core.checks import check_finite_tree
from ...core.tree import describe


class MapProblem(eqx.Module):
    """The iteration `y_(k+1) = step(k, y_k, args)` for `k = 0 ... num_steps - 1`.

    Parameters
    ----------
    step
        `step(t, y, args) -> y`: `t` is the integer index `k`; the result has the structure, shapes and dtypes of `y`. A
        function, an Equinox module or a `jax.tree_util.Partial`; it may close over traced values.
    y0
        Initial state: any pytree of integer, boolean, float or complex arrays; integers stay integers.
    num_steps
        How often: a Python integer, or an integer array, which may be traced. With an array the number is data (no
        compilation for another one, lanes of a `vmap` may differ), but there is no reverse mode and no
        `SaveAt(steps=...)`, whose results need a known length.
    args
        Any pytree, handed to `step`.

    Raises
    ------
    TypeError, ValueError
        For a negative or fractional `num_steps`, an empty state, values that are not finite, or a `step` that is not
        callable.

    Notes
    -----
    A frozen pytree: it can be an argument of `jit`, `vmap` and `grad`.

    Examples
    --------
    The logistic map, every tenth state of a thousand:

    >>> problem = sj.MapProblem(lambda t, x, r: r * x * (1 - x), 0.2, 1000, 3.7)
    >>> sol = sj.solve(problem, saveat=sj.SaveAt(steps=10))
    """

    step: Callable
    y0: PyTree
    args: PyTree
    length: int | None = eqx.field(static=True)
    """The number of steps where it is part of the program."""
    traced_length: Any
    """The number of steps where it is data."""

    def __init__(self, step: Callable, y0: PyTree, num_steps: Any, args: PyTree = None):
        self.step = as_callable(step, "step", "t", "y", "args")
        leaves = jax.tree_util.tree_leaves(y0)
        if not leaves or all(np.size(leaf) == 0 for leaf in leaves):
            msg = f"`y0` must hold at least one number; got {describe(y0)}. Pass an array or a pytree of arrays."
            raise ValueError(msg)
        self.y0 = jax.tree_util.tree_map(jnp.asarray, y0)
        check_finite_tree(self.y0, "y0")
        self.args = args
        number = _checked_count(num_steps)
        self.length, self.traced_length = (number, None) if isinstance(number, int) else (None, number)

    @property
    def num_steps(self) -> Any:
        """The number of steps: a Python integer, or an array."""
        return self.traced_length if self.length is None else self.length

    def default_method(self) -> Any:
        """The method behind `method=None`: `Iterate`."""
        from .iterate import Iterate

        return Iterate()


def _checked_count(value: Any) -> Any:
    """The number of steps as a Python integer, or as an integer array of shape ()."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        if value < 0:
            msg = f"`num_steps` must not be negative; got {value}. Maps run forwards: invert `step` to go back."
            raise ValueError(msg)
        return int(value)
    dtype = getattr(value, "dtype", None)
    if dtype is None or np.shape(value) != () or not jnp.issubdtype(dtype, jnp.integer):
        received = describe(value)
        msg = f"`num_steps` must be an integer, the number of iterations; got {received}. Pass, for example, 1000."
        raise TypeError(msg)
    if not isinstance(value, jax.core.Tracer) and int(value) < 0:
        msg = f"`num_steps` must not be negative; got {int(value)}. Maps run forwards: invert `step` to go back."
        raise ValueError(msg)
    return jnp.asarray(value)
