"""The error of a collocation solution, and the mesh that spreads it evenly."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .saving import hermite

ORDER = 5
"""The error made over one interval behaves as h^5."""

SMALLEST_DENSITY = 0.1
"""Nodes per length are at least this fraction of their mean before smoothing, so that nowhere is left bare."""


def link_residual(field: Any, nodes: Any, y: Any) -> Any:
    """`y_(i+1) - y_i - h/6 (f_i + 4 f_m + f_(i+1))`, shape (N, n): Lobatto IIIA of order 4.

    `f_m` is the vector field at the middle of the cubic through both ends and their slopes. `field` takes many times
    and states at once.
    """
    slopes = field(nodes, y)
    h, middle, inner = middle_of(nodes, y, slopes)
    return y[1:] - y[:-1] - h / 6 * (slopes[:-1] + 4 * field(middle, inner) + slopes[1:])


def middle_of(nodes: Any, y: Any, slopes: Any) -> tuple[Any, Any, Any]:
    """The lengths of the intervals, shape (N, 1), the times in their middle and the cubic there."""
    h = jnp.diff(nodes)[:, None].astype(y.dtype)
    inner = (y[:-1] + y[1:]) / 2 + h / 8 * (slopes[:-1] - slopes[1:])
    return h, nodes[:-1] + jnp.diff(nodes) / 2, inner


def better_residual(field: Any, nodes: Any, y: Any) -> Any:
    """The residual of a formula of order 6 on the same states, shape (N, n); the error over each interval to O(h^7).

    Two values of the cubic, a value in the middle that cancels their error, and the quadrature of Boole.

    Cash & Moore, A high order method for the numerical solution of two-point boundary value problems, BIT 20 (1980)
    44-52.
    """
    slopes = field(nodes, y)
    step = jnp.diff(nodes)
    h = step[:, None].astype(y.dtype)
    (a, b), (fa, fb) = (y[:-1], y[1:]), (slopes[:-1], slopes[1:])
    early = (27 * a + 5 * b) / 32 + h * (9 * fa - 3 * fb) / 64
    late = (5 * a + 27 * b) / 32 + h * (3 * fa - 9 * fb) / 64
    early, late = field(nodes[:-1] + step / 4, early), field(nodes[:-1] + 3 * step / 4, late)
    middle = (a + b) / 2 + h * (5 / 24 * (fb - fa) + 2 / 3 * (early - late))
    middle = field(nodes[:-1] + step / 2, middle)
    return b - a - h / 90 * (7 * (fa + fb) + 32 * (early + late) + 12 * middle)


def spread_evenly(fractions: Any, local_error: Any) -> Any:
    """New nodes, fractions of the interval, between which the local errors are about equal.

    Parameters
    ----------
    fractions
        The nodes now, shape (N + 1,).
    local_error
        What was made over each interval, relative to the tolerance, shape (N,).

    Notes
    -----
    de Boor, Good approximation by splines with variable knots II (1974).
    """
    h = jnp.diff(fractions)
    density = local_error ** (1 / ORDER) / h
    # The wider of a node's neighbours decides, so that intervals do not shrink abruptly.
    padded = jnp.concatenate([density[:1], density, density[-1:]])
    density = jnp.maximum(jnp.maximum(padded[:-2], padded[2:]), density)
    density = density + SMALLEST_DENSITY * jnp.sum(density * h)
    covered = jnp.concatenate([jnp.zeros_like(h[:1]), jnp.cumsum(density * h)])
    even = jnp.linspace(0, 1, fractions.shape[0], dtype=fractions.dtype)
    moved = jnp.interp(even * covered[-1], covered, fractions)
    moved = jnp.where(np.arange(fractions.shape[0]) == fractions.shape[0] - 1, 1, moved)
    # A flat or broken estimate says nothing: the mesh stays.
    fine = jnp.all(jnp.isfinite(moved)) & jnp.all(jnp.diff(moved) > 0)
    return jnp.where(fine, moved, fractions)


def carry_over(nodes: Any, y: Any, slopes: Any, new_nodes: Any) -> Any:
    """The solution at new nodes."""
    return jax.vmap(lambda t: hermite(nodes, y, slopes, t))(new_nodes)
