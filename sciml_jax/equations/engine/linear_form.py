"""In which form the Jacobian of a problem is held: dense, sparse on a pattern, or as products only."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ...core.tree import describe
from ...numerics.coloring import color_columns
from ...numerics.compressed_jacobian import compressed_jacobian
from ..linear_solvers import GMRES, KLU
from .flat import concatenate, split_like
from .krylov_linearisation import KrylovForm
from .sparse_linearisation import SparseForm
from .traced import TracedFunction


def linear_form(problem: Any, method: Any) -> SparseForm | KrylovForm | None:
    """The form that the problem's sparsity and the method's `linear_solver` ask for; None for a dense Jacobian."""
    solver, pattern = getattr(method, "linear_solver", None), problem.sparsity
    if not method.is_implicit:
        return None
    if isinstance(solver, GMRES):
        return KrylovForm(solver, pattern, None if pattern is None else _coloring(pattern))
    uses_klu = isinstance(solver, KLU)
    if pattern is None:
        if uses_klu:
            msg = (
                "`sj.KLU()` solves systems with a known sparsity pattern; got a problem without one. Pass "
                "`ODEProblem(..., sparsity=pattern)`, or `sj.detect_sparsity(problem)` for the pattern."
            )
            raise ValueError(msg)
        return None
    mass = problem.mass_matrix
    return _sparse_form(pattern, None if mass is None else (mass.rows, mass.columns, mass.size), uses_klu)


@functools.lru_cache(maxsize=32)
def _sparse_form(pattern: Any, mass_places: tuple | None, uses_klu: bool) -> SparseForm:
    return SparseForm(pattern, mass_places, uses_klu)


@functools.lru_cache(maxsize=32)
def _coloring(pattern: Any) -> Any:
    return color_columns(pattern)


def derivatives(problem: Any, t0: Any, form: SparseForm | KrylovForm | None) -> TracedFunction:
    """`(t, y, bundle) -> (df/dy, df/dt)`, over the concatenated leaves of the state.

    The former is a matrix, or the values on the pattern; or None, with the latter alone, where it is not formed. The
    bundle holds the user's functions beside the arguments, because the arrays inside them must be operands too.
    """
    leaves, tree = jax.tree_util.tree_flatten(problem.y0)
    dtype = jnp.result_type(*leaves)
    matrix_of = _jacobian(problem, form)

    def both(t, y, bundle):
        vector_field, jacobian, args = bundle

        def flat_field(t, flat):
            y = jax.tree_util.tree_unflatten(tree, split_like(flat, tuple(leaves)))
            return concatenate(jax.tree_util.tree_leaves(vector_field(t, y, args))).astype(dtype)

        flat = concatenate(jax.tree_util.tree_leaves(y))
        in_time = jax.jvp(lambda t: flat_field(t, flat), (t,), (jnp.ones_like(t),))[1]
        if matrix_of is None:
            return (in_time,)
        given = None if jacobian is None else jacobian(t, y, args)
        return matrix_of(lambda y: flat_field(t, y), flat, given).astype(dtype), in_time

    return TracedFunction(both, t0, problem.y0, (problem.vector_field, problem.jacobian, problem.args))


def jvps_per_jacobian(problem: Any, form: SparseForm | KrylovForm | None) -> int:
    """Products with a vector that make up one Jacobian."""
    if problem.jacobian is not None or (isinstance(form, KrylovForm) and not _reads_values(form)):
        return 0
    if form is not None and form.coloring is not None:
        return form.coloring.num_colors
    return sum(leaf.size for leaf in jax.tree_util.tree_leaves(problem.y0))


def _reads_values(form: KrylovForm) -> bool:
    return form.pattern is not None and form.solver.preconditioner is not None


def _jacobian(problem: Any, form: Any) -> Callable | None:
    """`(field, y, given) -> df/dy` in the form's storage."""
    if form is None:

        def dense(field, y, given):
            if given is None:
                return jax.jacfwd(field)(y)
            check_jacobian(given, problem.y0)
            return given

        return dense
    if isinstance(form, KrylovForm) and not _reads_values(form):
        return None

    def compressed(field, y, given):
        if given is None:
            return compressed_jacobian(field, y, form.pattern, form.coloring)
        if getattr(given, "shape", None) == (form.pattern.nnz,):
            return given
        check_jacobian(given, problem.y0)
        return given[form.pattern.rows, form.pattern.cols]

    return compressed


def check_jacobian(out: Any, y0: Any) -> None:
    """Refuse a given Jacobian of the wrong shape."""
    size = sum(leaf.size for leaf in jax.tree_util.tree_leaves(y0))
    shape = getattr(out, "shape", None)
    if shape != (size, size):
        msg = (
            f"`jacobian(t, y, args)` must return an array of shape ({size}, {size}) for a state of {describe(y0)}; got "
            f"{describe(out)}. Row i holds the derivatives of component i. With `sparsity=`, it may also return the "
            "values of the pattern's entries, shape (nnz,), ordered by row and then by column."
        )
        raise ValueError(msg)
