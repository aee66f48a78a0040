"""The table of backward differences that `BDF` carries from step to step."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from ...numerics.combine import linear_combination
from .bdf_coefficients import rescaling


class Differences(NamedTuple):
    """What the steps so far leave for the next one; floats throughout, so that derivatives can pass."""

    table: tuple
    """Backward differences of the state, from the first to that of order `BDF.order + 1`, a tuple like the state for
    each. Those up to the order of the next step count, and one more where the last step was of the same size."""
    h: Any
    """The step size, signed, for which the table holds."""
    order: Any
    equal: Any
    """Steps of this size and order so far."""
    is_first: Any
    """One before the first step: the first difference is the slope there, for a size of one."""
    failures: Any
    """Attempts that failed since the last accepted one."""


def rescaled(table: tuple, ratio: Any, order: Any) -> list[tuple]:
    """The differences up to the order for steps `ratio` times as long; zero beyond it."""
    size = len(table)
    rows = rescaling(ratio, size)
    out = []
    for i in range(1, size + 1):
        weights = [jnp.where(order >= j, rows[i][j], 0) for j in range(i, size + 1)]
        out.append(linear_combination(None, None, weights, table[i - 1 :]))
    return out


def advanced(table: list[tuple], correction: tuple) -> tuple:
    """The differences at the end of a step, from those at its beginning and the one of order `order + 1`."""
    new = [correction]
    for difference in reversed(table):
        new.append(tuple(a + b for a, b in zip(difference, new[-1], strict=True)))
    return tuple(reversed(new))


def as_differences(coefficients: tuple, size: int) -> tuple:
    """The interpolant of `Rodas5P` as that of `BDF`: as many differences from the second on, the last ones zero."""
    second, third, fourth = coefficients
    combine = lambda *weights: linear_combination(None, None, weights, [second, third, fourth])
    found = combine(-2.0, 2.0, -2.0), combine(0.0, -6.0, 18.0), combine(0.0, 0.0, -24.0)
    nothing = tuple(jnp.zeros_like(leaf) for leaf in second)
    if size < 3:
        # Without the fourth power.
        found = combine(-2.0, 2.0, 0.0), combine(0.0, -6.0, 0.0)
    return (*found, nothing)[:size]


def chosen(table: tuple, index: Any) -> tuple:
    """The difference of order `index + 1`, a traced float."""
    weights = [jnp.where(index == j, 1.0, 0.0).astype(index.dtype) for j in range(len(table))]
    return linear_combination(None, None, weights, table)
