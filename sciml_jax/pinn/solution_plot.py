"""A picture of a function on the domain of a problem."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

RESOLUTION = 201
"""Points along each axis of a picture."""


def plot_on_domain(domain: Any, function: Any, ax: Any, at: Mapping[str, float] | None, component: int) -> Any:
    """Draw a function of points over the one or two coordinates that `at` leaves free; returns the axes."""
    fixed = dict(at or {})
    unknown = [name for name in fixed if name not in domain.names]
    free = [name for name in domain.names if name not in fixed]
    if unknown or len(free) not in (1, 2):
        msg = (
            f"`at` must leave one or two of the coordinates {domain.names} free; got {fixed}. Fix the others, such as "
            f"`at={{{domain.names[0]!r}: 0.5}}`."
        )
        raise ValueError(msg)
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        msg = "`plot` needs Matplotlib, which is not installed. Install `sciml_jax[plot]`."
        raise ImportError(msg) from error
    ax = plt.subplots(layout="constrained")[1] if ax is None else ax
    lower, upper = np.asarray(domain.lower), np.asarray(domain.upper)
    axes = [domain.names.index(name) for name in free]
    lines = [np.linspace(lower[axis], upper[axis], RESOLUTION) for axis in axes]
    values = _values(domain, function, fixed, axes, lines, component)
    if len(free) == 1:
        ax.plot(lines[0], values)
        ax.set(xlabel=free[0])
    else:
        image = ax.pcolormesh(*lines, values.T, shading="auto", rasterized=True)
        ax.set(xlabel=free[0], ylabel=free[1])
        ax.figure.colorbar(image, ax=ax)
    return ax


def _values(domain: Any, function: Any, fixed: dict, axes: list, lines: list, component: int) -> np.ndarray:
    """The values on the grid of the lines, NaN outside the domain."""
    grid = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1)
    points = np.empty((*grid.shape[:-1], domain.dim))
    for name, value in fixed.items():
        points[..., domain.names.index(name)] = value
    points[..., axes] = grid
    z = jnp.asarray(points)
    values = np.asarray(function(z))
    values = values[..., component] if values.ndim > len(lines) else values
    return np.where(np.asarray(domain.contains(z)), values, np.nan)
