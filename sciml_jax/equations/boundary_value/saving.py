"""What is kept of the solution of a boundary value problem."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ...numerics.search import count_passed
from ..engine.flat import split_like
from ..saveat import SaveAt
from .problem import BVProblem


class Saved(NamedTuple):
    """What is to be kept."""

    problem: BVProblem
    saveat: SaveAt
    ts: Any
    """The save times, inside the interval, or None."""
    t0: Any
    t1: Any

    def collect(self, start: Any, end: Any, evaluate: Callable) -> tuple[Any, Any]:
        """Saved times (T,) and states (T, ...), from the states at both ends and `evaluate(ts)`; None for neither."""
        times, states = [], []
        single = lambda y: jax.tree_util.tree_map(lambda leaf: leaf[None], y)
        if self.saveat.t0:
            times.append(self.t0[None])
            states.append(single(start))
        if self.ts is not None:
            times.append(self.ts)
            states.append(evaluate(self.ts))
        if self.saveat.t1:
            times.append(self.t1[None])
            states.append(single(end))
        if not times:
            return None, None
        ts = jnp.concatenate(times)
        ys = jax.tree_util.tree_map(lambda *leaves: jnp.concatenate(leaves), *states)
        if self.saveat.fn is not None:
            fn = self.saveat.fn
            ys = jax.vmap(lambda t, y: fn(t, y, self.problem.args))(ts, ys)
        return ts, ys


def unflatten(layout: Any, vector: Any) -> Any:
    """A state of shape (n,) as the user's pytree."""
    return layout.merge(split_like(vector, tuple(jax.tree_util.tree_leaves(layout.shape))))


def interval_of(nodes: Any, t: Any) -> Any:
    """In which interval between the nodes, sorted in either direction, a time lies."""
    direction = jnp.where(nodes[-1] >= nodes[0], 1, -1).astype(nodes.dtype)
    return jnp.clip(count_passed(nodes, t, direction) - 1, 0, nodes.shape[0] - 2)


def inside(nodes: Any, t: Any) -> Any:
    """Whether a time lies between the first and the last node."""
    return (t >= jnp.minimum(nodes[0], nodes[-1])) & (t <= jnp.maximum(nodes[0], nodes[-1]))


def hermite(nodes: Any, ys: Any, slopes: Any, t: Any) -> Any:
    """The piecewise cubic with the states and slopes, shape (nodes, n), at one time."""
    i = interval_of(nodes, t)
    h = (nodes[i + 1] - nodes[i]).astype(ys.dtype)
    s = ((t - nodes[i]) / (nodes[i + 1] - nodes[i])).astype(ys.dtype)
    rise = ys[i + 1] - ys[i]
    bend = (1 - 2 * s) * rise - h * ((1 - s) * slopes[i] - s * slopes[i + 1])
    return ys[i] + s * rise - s * (1 - s) * bend


class CubicPieces(eqx.Module):
    """The solution between the nodes of a mesh as a cubic in each interval; behind `sol(t)`."""

    nodes: Array
    """Shape (N + 1,)."""
    ys: Array
    """Shape (N + 1, n)."""
    slopes: Array
    """Shape (N + 1, n)."""
    layout: Any = eqx.field(static=True)
    """The user's pytree."""

    def evaluate(self, t: Any) -> PyTree:
        """The state at one time; NaN outside the interval."""
        t = jnp.asarray(t, self.nodes.dtype)
        y = hermite(self.nodes, self.ys, self.slopes, t)
        return unflatten(self.layout, jnp.where(inside(self.nodes, t), y, jnp.nan))


class JoinedPieces(eqx.Module):
    """The dense outputs of integrations one after the other as one; behind `sol(t)`."""

    nodes: Array
    """The times at which they begin, and the end, shape (N + 1,)."""
    pieces: Any
    """Their `DenseOutput`, stacked."""
    layout: Any = eqx.field(static=True)
    """The user's pytree."""

    def evaluate(self, t: Any) -> PyTree:
        """The state at one time; NaN outside the interval."""
        t = jnp.asarray(t, self.nodes.dtype)
        i = interval_of(self.nodes, t)
        y = jax.tree_util.tree_map(lambda leaf: leaf[i], self.pieces).evaluate(t)
        return unflatten(self.layout, jnp.where(inside(self.nodes, t), y, jnp.nan))
