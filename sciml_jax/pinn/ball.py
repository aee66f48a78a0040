"""Balls: intervals, discs, balls in any number of dimensions."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jaxtyping import Array, Bool, Float

from ..core.tree import describe, is_concrete
from .geometry import AbstractGeometry, as_float, as_given, check_names


class Ball(AbstractGeometry):
    """All points within a distance of a centre.

    Parameters
    ----------
    centre
        Shape (d,).
    radius
        A positive number.
    names
        The coordinates. None calls them `x`, `y`, `z`, from four dimensions on `x1`, `x2`, ...

    Raises
    ------
    ValueError
        For a centre that is no vector, a radius that is not positive, and a number of names that differs.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    _centre: Any
    _radius: Any

    def __init__(self, centre: Any, radius: Any, names: Sequence[str] | None = None):
        self._centre, self._radius = as_given(centre), as_given(radius)
        if self.centre.ndim != 1 or self.radius.shape != ():
            msg = (
                f"`centre` must be a vector and `radius` a number; got {describe(self.centre)} and "
                f"{describe(self.radius)}. Write `Ball((0.0, 0.0), 1.0)`."
            )
            raise ValueError(msg)
        if is_concrete(self.radius) and not (np.isfinite(self.radius) and self.radius > 0):
            msg = f"`radius` must be positive; got {float(self.radius):g}. Pass its size."
            raise ValueError(msg)
        count = self.centre.shape[0]
        self.names = check_names(names if names is not None else default_names(count))
        if len(self.names) != count:
            msg = f"`names` must name all {count} coordinates of the centre; got {self.names}. Name each once."
            raise ValueError(msg)

    @property
    def centre(self) -> Array:
        """The centre."""
        return as_float(self._centre)

    @property
    def radius(self) -> Array:
        """The radius."""
        return as_float(self._radius)

    @property
    def lower(self) -> Array:  # type: ignore[override]
        """The lower corner of the bounding box."""
        return self.centre - self.radius

    @property
    def upper(self) -> Array:  # type: ignore[override]
        """The upper corner of the bounding box."""
        return self.centre + self.radius

    def contains(self, z: Float[Array, "*batch d"]) -> Bool[Array, "*batch"]:
        """Whether points lie within the radius."""
        return jnp.sum((as_float(z) - self.centre) ** 2, axis=-1) <= self.radius**2

    def distance(self, z: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """`(r^2 - |z - c|^2) / (2 r)`: smooth everywhere, of slope one at the sphere."""
        return (self.radius**2 - jnp.sum((as_float(z) - self.centre) ** 2, axis=-1)) / (2 * self.radius)

    @property
    def size(self) -> Array:
        """The volume."""
        return self.boundary_size * self.radius / self.dim

    @property
    def boundary_size(self) -> Array:
        """The surface."""
        half = self.dim / 2
        log_unit = jnp.log(2.0) + half * jnp.log(jnp.pi) - gammaln(half)
        return jnp.exp(log_unit + (self.dim - 1) * jnp.log(self.radius)).astype(self.centre.dtype)

    def draw_boundary(self, key: Any, n: int) -> tuple[Float[Array, "n d"], Float[Array, "n d"]]:
        """Points drawn evenly from the sphere, with outward unit normals."""
        normals = jax.random.normal(key, (n, self.dim), self.centre.dtype)
        normals = normals / jnp.linalg.norm(normals, axis=-1, keepdims=True)
        return self.centre + self.radius * normals, normals

    def interior(self, key: Any, n: int, sampler: Any = None) -> Float[Array, "n d"]:
        """Points inside; without a sampler exact in any dimension, where rejection would find none."""
        if sampler is not None:
            return super().interior(key, n, sampler)
        key_side, key_radius = jax.random.split(key)
        _, directions = self.draw_boundary(key_side, n)
        share = jax.random.uniform(key_radius, (n, 1), self.centre.dtype) ** (1.0 / self.dim)
        return self.centre + self.radius * share * directions


def default_names(count: int) -> tuple[str, ...]:
    """`x`, `y`, `z`, from four dimensions on `x1`, `x2`, ..."""
    return ("x", "y", "z")[:count] if count <= 3 else tuple(f"x{i + 1}" for i in range(count))
