"""Sparse Jacobians from few Jacobian-vector products."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact

from ..core.tree import describe
from .coloring import Coloring
from .loops import vary_like
from .sparsity import SparsityPattern


def compressed_jacobian(
    function: Callable, y: Inexact[Array, " n"], pattern: SparsityPattern, coloring: Coloring
) -> Inexact[Array, " nnz"]:
    """The entries of the Jacobian `df/dy` of a sparse function, by one product with a vector per colour.

    With the columns of one colour added up, `J s_c` for the seed `s_c = sum of e_j over columns j of colour c`, every
    entry (i, j) of the pattern stands alone in its row: it is `(J s_c)_i` for the colour c of column j.

    Parameters
    ----------
    function
        `f(y) -> array` of shape (m,).
    y
        Where; float or complex (for complex-differentiable functions).
    pattern
        Of shape (m, n). An entry that it lacks is not just dropped but added to another one: `check_sparsity` finds it.
    coloring
        `color_columns(pattern)`.

    Returns
    -------
    The values in the pattern's order, exact to rounding.

    Notes
    -----
    Cost: the function is linearised once and its linear map applied to `coloring.num_colors` seeds at once, with as
    many times the memory of a result. Differentiable like the function. When not to use it: with about as many colours
    as columns, `jax.jacfwd` does the same.

    References
    ----------
    Curtis, Powell, Reid, On the estimation of sparse Jacobian matrices, J. Inst. Maths Applics 13 (1974).
    """
    check_function(function, y, pattern)
    if coloring.colors.size != pattern.shape[1]:
        msg = (
            f"The colouring must be of the pattern's columns; got {coloring!r} for {pattern!r}. "
            "Use `color_columns(pattern)`."
        )
        raise ValueError(msg)
    if pattern.nnz == 0:
        return jnp.zeros(0, y.dtype)
    seeds = coloring.colors == np.arange(coloring.num_colors)[:, None]
    products = jax.vmap(jax.linearize(function, y)[1])(vary_like(jnp.asarray(seeds, y.dtype), y))
    places = coloring.colors[pattern.cols].astype(np.int64) * pattern.shape[0] + pattern.rows
    return products.reshape(-1)[places]


def check_function(function: Callable, y: Inexact[Array, " n"], pattern: SparsityPattern) -> None:
    """Refuse a function whose Jacobian does not have the pattern's shape."""
    if jnp.ndim(y) != 1 or not jnp.issubdtype(jnp.result_type(y), jnp.inexact):
        msg = f"`y` must be a vector of floats; got {describe(y)}. Flatten it, for example with `ravel_pytree`."
        raise ValueError(msg)
    out = jax.eval_shape(function, y)
    if getattr(out, "shape", None) != (pattern.shape[0],) or y.shape != (pattern.shape[1],):
        msg = (
            f"A function with the pattern {pattern!r} must map a vector of {pattern.shape[1]} to one of "
            f"{pattern.shape[0]} numbers; got {describe(y)} to {describe(out)}. Check the order of rows and columns."
        )
        raise ValueError(msg)
