"""Stability regions as data."""

from typing import Any, NamedTuple

import numpy as np

from .sampling import as_stability_function, name_of, sample

DIRECTIONS, DISTANCES = 61, 134
"""Rays of the upper half-plane, and points on each, on which the extent of a region is looked for."""


class StabilityRegion(NamedTuple):
    """A stability function on a grid of the complex plane; made by `stability_region`."""

    name: str
    """The method."""
    z: np.ndarray
    """The grid, complex, shape (n, m): real parts grow along the last axis, imaginary parts along the first."""
    values: np.ndarray
    """`R(z)`, complex, of the same shape; infinite where it overflows."""

    @property
    def growth(self) -> np.ndarray:
        """`|R(z)|`; the stability region is where this is at most one."""
        return np.abs(self.values)

    @property
    def order_star(self) -> np.ndarray:
        """`|R(z) e^(-z)|`: above one where the numerical solution grows faster than the exact one."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.growth * np.exp(-np.real(self.z))

    @property
    def is_stable(self) -> np.ndarray:
        """Where `|R(z)| <= 1`."""
        return self.growth <= 1.0


def stability_region(
    method: Any, *, bounds: tuple[float, float, float, float] | None = None, resolution: int = 301
) -> StabilityRegion:
    """The stability function on a grid: `|R(z)| <= 1` is the method's stability region.

    Parameters
    ----------
    method
        A method that `stability_function` takes, a stability function, or any function `R(z)` of complex arrays.
    bounds
        `(left, right, bottom, top)` of the rectangle. None: around the stability region, or around its complement if
        the region is unbounded.
    resolution
        Points on each side of the rectangle; an odd number puts some on the real axis of a symmetric one.

    Returns
    -------
    StabilityRegion
        `z`, `values`, `growth`, `is_stable` and `order_star`, NumPy arrays of shape (resolution, resolution).

    Raises
    ------
    ValueError
        For bounds that are empty or not finite, and a resolution below 2.
    TypeError
        For what is not a method.

    Notes
    -----
    `resolution**2` values of R: a tenth of a second for one-step methods, once compiled; a second for multistep ones.

    References
    ----------
    Hairer & Wanner, Solving Ordinary Differential Equations II (1996), IV.2; order stars in IV.4.
    """
    function = as_stability_function(method)
    if isinstance(resolution, bool) or not isinstance(resolution, (int, np.integer)) or resolution < 2:
        msg = f"`resolution` must be an integer of at least 2; got {resolution!r}. Leave it out for 301."
        raise ValueError(msg)
    left, right, bottom, top = _extent(function) if bounds is None else _checked(bounds)
    x, y = np.linspace(left, right, resolution), np.linspace(bottom, top, resolution)
    z = x[None, :] + 1j * y[:, None]
    return StabilityRegion(name_of(function), z, sample(function, z))


def _checked(bounds: Any) -> tuple[float, float, float, float]:
    try:
        values = tuple(float(b) for b in bounds)
    except (TypeError, ValueError):
        values = ()
    if len(values) != 4 or not np.all(np.isfinite(values)) or values[0] >= values[1] or values[2] >= values[3]:
        msg = (
            "`bounds` must be four finite numbers `(left, right, bottom, top)` with left < right and bottom < top; got "
            f"{bounds!r}. Pass, for example, `(-5, 2, -4, 4)`."
        )
        raise ValueError(msg)
    left, right, bottom, top = values
    return left, right, bottom, top


def _extent(function: Any) -> tuple[float, float, float, float]:
    """A rectangle, symmetric to the real axis, around the region or its complement, whichever is bounded."""
    radii = np.geomspace(1e-2, 1e5, DISTANCES)[:, None]
    z = radii * np.exp(1j * np.linspace(0, np.pi, DIRECTIONS))
    stable = np.abs(sample(function, z)) <= 1.0
    inside = stable if not stable[-1].any() else ~stable if stable[-1].all() else np.zeros_like(stable)
    found = z[inside]
    if not found.size:
        return -4.0, 4.0, -4.0, 4.0
    left, right, top = min(found.real.min(), 0.0), max(found.real.max(), 0.0), found.imag.max()
    margin_x, margin_y = 0.15 * (right - left) + 0.2 * (top == 0), 0.2 * top + 0.1 * (top == 0)
    right = right + margin_x
    return float(left - margin_x), float(right), float(-top - margin_y), float(top + margin_y)
