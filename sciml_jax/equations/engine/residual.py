"""Fully implicit equations as the engine sees them: the residual `F(t, y, y')` and its two derivatives."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ...core.tree import describe
from .flat import concatenate, split_like
from .traced import TracedFunction


class SlopeMatrix(NamedTuple):
    """`dF/dy'` in the place of a mass matrix, with all entries."""

    rows: Any
    """An array of shape (n, n), or rows of scalars for components."""

    def product(self, v: tuple) -> tuple:
        """The product with a tuple of leaves or of components."""
        if isinstance(self.rows, tuple):
            return tuple(sum((a * b for a, b in zip(row[1:], v[1:], strict=True)), row[0] * v[0]) for row in self.rows)
        return split_like(jnp.matmul(self.rows, concatenate(v), precision=lax.Precision.HIGHEST), v)

    def dense(self) -> Any:
        """The matrix, shape (n, n); for array values."""
        return self.rows

    def entries(self) -> dict:
        """Place -> scalar; for components."""
        return {(i, j): entry for i, row in enumerate(self.rows) for j, entry in enumerate(row)}


def residual_function(problem: Any, t0: Any) -> TracedFunction:
    """`(t, (y, y'), args) -> F` of a problem that has a residual."""
    residual, y0 = problem.residual, problem.y0

    def of_pair(t, pair, bundle):
        function, args = bundle
        return function(t, *pair, args)

    traced = TracedFunction(of_pair, t0, (y0, y0), (residual, problem.args))
    _check_residual(traced.out_shape, y0)
    return traced


def residual_derivatives(problem: Any, t0: Any) -> TracedFunction:
    """`(t, (y, y'), bundle) -> (-dF/dy, dF/dy')`, Jacobian and mass matrix of the stage equation, both (n, n)."""
    leaves, tree = jax.tree_util.tree_flatten(problem.y0)
    dtype = jnp.result_type(*leaves)

    def derivatives(t, pair, bundle):
        function, args = bundle

        def flat_residual(*flats):
            y, slope = (jax.tree_util.tree_unflatten(tree, split_like(flat, tuple(leaves))) for flat in flats)
            return concatenate(jax.tree_util.tree_leaves(function(t, y, slope, args))).astype(dtype)

        flats = [concatenate(jax.tree_util.tree_leaves(half)) for half in pair]
        in_state, in_slope = jax.jacfwd(flat_residual, argnums=(0, 1))(*flats)
        return -in_state, in_slope

    return TracedFunction(derivatives, t0, (problem.y0, problem.y0), (problem.residual, problem.args))


def is_inconsistent(system: Any, t0: Any, y0: tuple, slope: tuple, rtol: tuple, atol: tuple) -> Any:
    """Whether no `(y, y')` within ten tolerances of `(y0, slope)` has a vanishing residual, row by row and linearly."""
    linear = system.linearise(t0, y0, slope)
    residual = concatenate(system.stage_residual(t0, y0, slope))
    small = jnp.sqrt(jnp.finfo(residual.dtype).eps)
    near = tuple(10 * (a + r * jnp.abs(y)) for a, r, y in zip(atol, rtol, y0, strict=True))
    near_slope = tuple(jnp.maximum(10 * r, small) * jnp.abs(v) for r, v in zip(rtol, slope, strict=True))
    size = lambda matrix: jax.tree_util.tree_map(jnp.abs, matrix)
    slack = zip(
        SlopeMatrix(size(linear.jacobian)).product(near),
        SlopeMatrix(size(linear.mass.rows)).product(near_slope),
        strict=True,
    )
    allowed = concatenate(tuple(a + b for a, b in slack))
    return jnp.any(jnp.abs(residual) > allowed)


def _check_residual(out: Any, y0: Any) -> None:
    shapes = [[leaf.shape for leaf in jax.tree_util.tree_leaves(tree)] for tree in (out, y0)]
    if jax.tree_util.tree_structure(out) != jax.tree_util.tree_structure(y0) or shapes[0] != shapes[1]:
        msg = (
            "`residual(t, y, yp, args)` must return a pytree with the structure and shapes of the state; got "
            f"{describe(out)} for a state of {describe(y0)}. Return one equation for each number of the state."
        )
        raise ValueError(msg)
