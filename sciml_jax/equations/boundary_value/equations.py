"""The vector field and the boundary conditions as functions of explicit operands and flat states."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ...core.tree import describe
from ...numerics.loops import vary_like
from ..engine.flat import concatenate, split_like
from ..engine.layout import Layout
from ..engine.returned import check_vector_field
from ..engine.traced import TracedFunction
from .problem import BVProblem


class Operands(NamedTuple):
    """What the solution is differentiated with respect to."""

    t0: Any
    t1: Any
    field: tuple
    """Float arrays that the vector field uses."""
    boundary: tuple
    """Those of the boundary conditions."""


class Fixed(NamedTuple):
    """What it is not differentiated with respect to."""

    field_consts: tuple
    """Integer, boolean and key arrays that the vector field uses."""
    boundary_consts: tuple
    guess: Any
    """States at equidistant times, shape (nodes, n)."""
    rtol: Any
    atol: Any
    dt0: Any
    """First step of the integrations, or None."""


class FlatEquations:
    """The problem's functions on states of shape (n,)."""

    def __init__(self, problem: BVProblem, t0: Any):
        example = jax.tree_util.tree_map(jnp.asarray, problem.y_guess(t0))
        leaves = jax.tree_util.tree_leaves(example)
        self.layout = Layout(example)
        self.shapes = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves)
        self.dtype = jnp.result_type(*leaves)
        self.size = sum(leaf.size for leaf in leaves)
        field = TracedFunction(problem.vector_field, t0, example, problem.args)
        check_vector_field(field.out_shape, example)
        bundle = (problem.boundary, problem.args)
        boundary = TracedFunction(_call_boundary, t0, (example, example), bundle)
        _check_boundary(boundary.out_shape, self.size, self.dtype)
        self._field = field.with_layout(False, leaves, tuple(leaf.dtype for leaf in leaves))
        self._boundary = boundary.with_layout(False, [*leaves, *leaves], None)

    def release(self) -> tuple[tuple, tuple, tuple, tuple]:
        """Hand over the operands' values (the inexact ones of both functions, then the others) and forget them."""
        values = (self._field.theta, self._boundary.theta, self._field.consts, self._boundary.consts)
        self._field.forget_values()
        self._boundary.forget_values()
        return values

    def vector_field(self, theta: tuple, consts: tuple, t: Any, y: Any) -> Any:
        """`f(t, y)`, shape (n,)."""
        t, y = vary_like((t, y), t, y, theta)
        return concatenate(self._field(theta, consts, t, split_like(y, self.shapes))).astype(self.dtype)

    def boundary(self, theta: tuple, consts: tuple, start: Any, end: Any) -> Any:
        """`g(y(t0), y(t1))`, shape (n,)."""
        start, end = vary_like((start, end), start, end, theta)
        unused = vary_like(jnp.zeros((), self.dtype), start)
        pair = (*split_like(start, self.shapes), *split_like(end, self.shapes))
        return concatenate(self._boundary(theta, consts, unused, pair)).astype(self.dtype)

    def flatten(self, y: Any) -> Any:
        """A state as a vector."""
        return concatenate([jnp.asarray(leaf) for leaf in jax.tree_util.tree_leaves(y)]).astype(self.dtype)

    def field_at(self, operands: Operands, fixed: Fixed) -> Any:
        """`(times, states) -> derivatives`, over many of them at once."""
        return jax.vmap(lambda t, y: self.vector_field(operands.field, fixed.field_consts, t, y))

    def ends_at(self, operands: Operands, fixed: Fixed) -> Any:
        """`(start, end) -> residuals`."""
        return lambda start, end: self.boundary(operands.boundary, fixed.boundary_consts, start, end)


def node_times(operands: Operands, fractions: Any) -> Any:
    """The times at fractions of the interval; exact at both ends."""
    t0, t1 = operands.t0, operands.t1
    return jnp.where(fractions == 1, t1, t0 + fractions.astype(t0.dtype) * (t1 - t0))


def guess_states(problem: BVProblem, equations: FlatEquations, t0: Any, t1: Any, count: int) -> Any:
    """The guess at equidistant times, shape (count, n); no derivative."""
    times = t0 + jnp.linspace(0, 1, count, dtype=t0.dtype) * (t1 - t0) if count > 1 else t0[None]
    return lax.stop_gradient(jax.vmap(lambda t: equations.flatten(problem.y_guess(t)))(times))


def _call_boundary(t, pair, bundle):
    boundary, args = bundle
    return boundary(*pair, args)


def _check_boundary(out: Any, size: int, dtype: Any) -> None:
    leaves = jax.tree_util.tree_leaves(out)
    count = sum(leaf.size for leaf in leaves)
    if count != size:
        msg = (
            "`boundary(y_start, y_end, args)` must return as many numbers as the state has; got "
            f"{count} ({describe(out)}) for a state of {size}. Add or drop conditions; for an unknown parameter add a "
            "state with derivative zero."
        )
        raise ValueError(msg)
    for leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.floating) or jnp.promote_types(leaf.dtype, dtype) != dtype:
            msg = (
                f"`boundary(y_start, y_end, args)` must return real numbers of the dtype of the state, {dtype}; got "
                f"{describe(out)}. Convert the result to {dtype}, or the guess to a wider dtype."
            )
            raise TypeError(msg)
