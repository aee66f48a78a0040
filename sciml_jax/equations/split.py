"""Vector fields in two parts, `dy/dt = explicit + implicit`, and linear parts."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree

from ..core.callables import as_callable
from ..core.tree import describe


class Split(eqx.Module):
    """A vector field in two parts, `f(t, y, args) = explicit(t, y, args) + implicit(t, y, args)`.

    Every method solves the sum. Methods for split problems treat the parts differently: `sj.ETDRK4` solves a linear
    implicit part exactly, `sj.Strang` solves the parts in turn.

    Parameters
    ----------
    explicit
        The part that is not stiff (reaction, advection, nonlinearity): `(t, y, args) -> dy/dt`, like the vector field
        of an `sj.ODEProblem`.
    implicit
        The stiff part (diffusion, dispersion, fast relaxation), called in the same way; `sj.Linear(L)` where it is
        `L y`.

    Raises
    ------
    TypeError, ValueError
        For a part that is not callable with three arguments, or parts that return different structures or shapes.

    Examples
    --------
    >>> reaction = lambda t, y, args: y - y**3
    >>> problem = sj.ODEProblem(sj.Split(reaction, sj.Linear(laplacian)), y0, 0.0, 1.0)
    >>> sol = sj.solve(problem, sj.ETDRK4())
    """

    explicit: Callable
    implicit: Callable

    def __init__(self, explicit: Callable, implicit: Callable):
        for part, name in ((explicit, "explicit"), (implicit, "implicit")):
            if not callable(part) and hasattr(part, "shape"):
                msg = (
                    f"`{name}` must be a function `(t, y, args)`; got the array {describe(part)}. "
                    "Write `sj.Linear(array)` for the linear part `array @ y` or `array * y`."
                )
                raise TypeError(msg)
        self.explicit = as_callable(explicit, "explicit", "t", "y", "args")
        self.implicit = as_callable(implicit, "implicit", "t", "y", "args")

    def __call__(self, t: Any, y: PyTree, args: PyTree) -> PyTree:
        """The sum of both parts."""
        parts = self.explicit(t, y, args), self.implicit(t, y, args)
        structures = [jax.tree_util.tree_structure(part) for part in parts]
        shapes = [[jnp.shape(leaf) for leaf in jax.tree_util.tree_leaves(part)] for part in parts]
        if structures[0] != structures[1] or shapes[0] != shapes[1]:
            msg = (
                "The parts of a `Split` must both return the structure and shapes of the state; got "
                f"{describe(parts[0])} from `explicit` and {describe(parts[1])} from `implicit` for a state of "
                f"{describe(y)}. Return zeros where a part does not act."
            )
            raise ValueError(msg)
        return jax.tree_util.tree_map(jnp.add, *parts)


class Linear(eqx.Module):
    """The linear vector field `L y`, for a diagonal or a matrix `L` that is constant in time.

    Parameters
    ----------
    operator
        `L`, or a function `args -> L` where it depends on parameters (a diffusivity), of one of these forms:

        - a diagonal: a pytree like the state, whose leaves broadcast to those of the state (one scalar serves all
          leaves); complex ones for complex states, such as Fourier coefficients;
        - a matrix of shape (n, n) for a state of n numbers in all, over the concatenated leaves.

    Raises
    ------
    TypeError
        For an operator that is neither numbers nor a function of one argument.
    ValueError
        When called on a state that it does not fit.
    """

    operator: Any

    def __init__(self, operator: PyTree | Callable):
        if callable(operator) and not hasattr(operator, "shape"):
            self.operator = as_callable(operator, "operator", "args")
            return
        leaves = jax.tree_util.tree_leaves(operator)
        if not leaves or not all(_is_numeric(leaf) for leaf in leaves):
            msg = (
                "`operator` must be a pytree of numbers, a matrix, or a function `args -> L`; got "
                f"{describe(operator)}. Pass, for example, `sj.Linear(-wavenumbers**2)`."
            )
            raise TypeError(msg)
        # Python numbers stay so: they take the dtype of the state.
        self.operator = jax.tree_util.tree_map(
            lambda leaf: jnp.asarray(leaf) if hasattr(leaf, "dtype") else leaf, operator
        )

    def value(self, args: PyTree) -> PyTree:
        """`L` for these arguments."""
        return self.operator(args) if callable(self.operator) else self.operator

    def is_diagonal(self, y: PyTree, args: PyTree) -> bool:
        """Whether `L` multiplies each number of a state like `y` by a number of its own; else it is a matrix."""
        return _diagonal(_shapes(lambda: self.value(args)), y) is not None

    def is_real(self, args: PyTree) -> bool:
        """Whether all numbers of `L` are real."""
        leaves = jax.tree_util.tree_leaves(_shapes(lambda: self.value(args)))
        return not any(jnp.issubdtype(leaf.dtype, jnp.complexfloating) for leaf in leaves)

    def __call__(self, t: Any, y: PyTree, args: PyTree) -> PyTree:
        """`L y`; cost: n products for a diagonal, n^2 for a matrix."""
        del t
        value = self.value(args)
        diagonal = _diagonal(value, y)
        if diagonal is not None:
            return jax.tree_util.tree_map(lambda factor, leaf: jnp.multiply(factor, leaf), diagonal, y)
        flat, unravel = ravel_pytree(y)
        if jnp.shape(value) != (flat.size, flat.size):
            msg = (
                f"`Linear(L)` needs an L that fits the state, {describe(y)}: a diagonal like the state, or a matrix of "
                f"shape ({flat.size}, {flat.size}); got {describe(value)}. Reshape it, or apply it in a function."
            )
            raise ValueError(msg)
        product = jnp.matmul(value, flat, precision=lax.Precision.HIGHEST)
        return _unravel(product, y) if product.dtype != flat.dtype else unravel(product)


def _is_numeric(leaf: Any) -> bool:
    if isinstance(leaf, bool):
        return False
    dtype = getattr(leaf, "dtype", None)
    return isinstance(leaf, (int, float, complex)) or (dtype is not None and jnp.issubdtype(dtype, np.number))


def _shapes(function: Callable) -> PyTree:
    return jax.eval_shape(lambda: jax.tree_util.tree_map(jnp.asarray, function()))


def _diagonal(value: PyTree, y: PyTree) -> PyTree | None:
    """`L` as a pytree like the state if it has one factor for each number; None if it has not."""
    leaves, tree = jax.tree_util.tree_flatten(y)
    factors, own_tree = jax.tree_util.tree_flatten(value)
    if len(factors) == 1 and jnp.shape(factors[0]) == ():
        factors, own_tree = factors * len(leaves), tree
    if own_tree != tree:
        return None
    for factor, leaf in zip(factors, leaves, strict=True):
        try:
            fits = np.broadcast_shapes(jnp.shape(factor), jnp.shape(leaf)) == jnp.shape(leaf)
        except ValueError:
            fits = False
        if not fits:
            return None
    return tree.unflatten(factors)


def _unravel(flat: Any, y: PyTree) -> PyTree:
    """A vector of another dtype than the state's as a pytree like it; the check of vector fields refuses it."""
    leaves, tree = jax.tree_util.tree_flatten(y)
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]
    parts = [part.reshape(leaf.shape) for part, leaf in zip(jnp.split(flat, ends), leaves, strict=True)]
    return tree.unflatten(parts)
