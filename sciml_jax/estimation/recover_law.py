"""The symbolic form of a learned function, such as the trained network inside a vector field."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import ArrayLike, Float

from ..core.callables import as_callable
from ..core.checks import check_finite_tree, check_instance
from ..core.tree import describe
from .candidate_libraries import polynomials
from .candidates import AbstractLibrary
from .law import Law
from .sindy import as_bagging, check_enough, variable_names
from .sparse_fit import Bagging, fit_equations
from .sparse_regression import STLSQ, AbstractSparseRegression


def recover_law(
    term: Callable,
    samples: Float[ArrayLike, "N n"],
    *,
    library: AbstractLibrary | None = None,
    threshold: ArrayLike = 0.1,
    optimizer: AbstractSparseRegression | None = None,
    names: Any = None,
    outputs: Any = None,
    ensemble: Bagging | int | None = None,
    key: Any = None,
) -> Law:
    """Find a sparse law `term(y) = sum_k c_k candidate_k(y)` of a learned function.

    Parameters
    ----------
    term
        A function of the state, `(n,) -> (m,)` or a number: the trained part of a `sj.neural.Universal`, or any network
        in a vector field (`lambda y: net(y)`). Already differentiated, so to speak: no data are differentiated here.
    samples
        States at which to ask it, (N, n) or (N,): those along the trajectories that it was trained on, where it knows
        something. Beyond them it says what its activation functions say.
    library, threshold, optimizer, ensemble, key
        As in `sindy`.
    names, outputs
        Names of the variables, and of what the function returns: f or f1, f2, ...

    Returns
    -------
    Law
        Callable as `(t, y, args) -> (m,)`, so that it can stand in the term's place; `law.parametric()` frees its
        coefficients, to fit them to the data again: the network's errors bias what is read off it, a fit of the law
        itself does not inherit them.

    Raises
    ------
    ValueError, TypeError
        For samples that are not finite or fewer than candidates, or a term that does not return numbers.

    References
    ----------
    Rackauckas et al., Universal differential equations for scientific machine learning, arXiv 2001.04385 (2020).
    """
    library = polynomials(2) if library is None else library
    optimizer = STLSQ(threshold) if optimizer is None else optimizer
    check_instance(library, AbstractLibrary, "library", "sj.estimation.polynomials(2)")
    check_instance(optimizer, AbstractSparseRegression, "optimizer", "sj.estimation.STLSQ(0.1)")
    term = as_callable(term, "term", "y")
    points = jnp.asarray(samples, float) if not hasattr(samples, "dtype") else jnp.asarray(samples)
    if points.ndim not in (1, 2) or points.size == 0 or not jnp.issubdtype(points.dtype, jnp.floating):
        msg = f"`samples` must be states of shape (N, n) or (N,), floats; got {describe(points)}. Put N first."
        raise ValueError(msg)
    check_finite_tree(points, "samples")
    values = jax.vmap(term)(points)
    if not hasattr(values, "ndim") or values.ndim not in (1, 2):
        msg = f"`term` must return a number or a vector; got {describe(values)} for {points.shape[0]} states."
        raise ValueError(msg)
    states, targets = (array[:, None] if array.ndim == 1 else array for array in (points, values))
    theta = jax.vmap(lambda y: library.evaluate(0.0, y, jnp.zeros((0,), y.dtype)))(states)
    check_enough(theta.shape, library)
    variables = variable_names(names, states.shape[1], "xyz", "names")
    left = variable_names(outputs, targets.shape[1], "f", "outputs")
    bagging, key = as_bagging(ensemble, key)
    fit = fit_equations(theta, targets, states.shape[0], optimizer, bagging, key)
    return Law(*fit, library=library, variables=variables, inputs=(), left=left, scalar=points.ndim == 1)
