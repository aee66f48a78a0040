"""Products of geometries in different coordinates: a time interval and a disc are a cylinder."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .geometry import AbstractGeometry, conjunction


class Product(AbstractGeometry):
    """All points whose first coordinates lie in one geometry and whose others lie in another, `a * b`.

    Parameters
    ----------
    first, second
        Geometries without a coordinate in common.

    Raises
    ------
    TypeError, ValueError
        For what is no geometry, and coordinates of the same name.
    """

    first: AbstractGeometry
    second: AbstractGeometry

    def __init__(self, first: AbstractGeometry, second: AbstractGeometry):
        if not isinstance(second, AbstractGeometry):
            msg = f"A product needs two geometries; got {type(second).__name__}. Pass, for example, a `sj.pinn.Ball`."
            raise TypeError(msg)
        shared = sorted(set(first.names) & set(second.names))
        if shared:
            msg = f"A product needs geometries in different coordinates; got {shared} in both. Rename those of one."
            raise ValueError(msg)
        self.first, self.second = first, second

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The coordinates of both."""
        return self.first.names + self.second.names

    @property
    def lower(self) -> Array:  # type: ignore[override]
        """The lower corner of the bounding box."""
        return jnp.concatenate([self.first.lower, self.second.lower])

    @property
    def upper(self) -> Array:  # type: ignore[override]
        """The upper corner of the bounding box."""
        return jnp.concatenate([self.first.upper, self.second.upper])

    @property
    def periodic(self) -> tuple[str, ...]:
        """Names of the periodic coordinates."""
        return self.first.periodic + self.second.periodic

    def split(self, z: Array) -> tuple[Array, Array]:
        """The coordinates of both parts."""
        z = jnp.asarray(z)
        return z[..., : self.first.dim], z[..., self.first.dim :]

    def contains(self, z: Float[Array, "*batch d"]) -> Bool[Array, "*batch"]:
        """Whether both parts contain their coordinates."""
        first, second = self.split(z)
        return self.first.contains(first) & self.second.contains(second)

    def distance(self, z: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """Positive inside, zero on the boundary, negative outside."""
        first, second = self.split(z)
        return conjunction(self.first.distance(first), self.second.distance(second))

    @property
    def size(self) -> Array:
        """The product of the sizes."""
        return self.first.size * self.second.size

    @property
    def boundary_size(self) -> Array:
        """The size of the ends and of the mantle."""
        return self.first.boundary_size * self.second.size + self.first.size * self.second.boundary_size

    def interior(self, key: Any, n: int, sampler: Any = None) -> Float[Array, "n d"]:
        """Points inside; without a sampler each part draws its own."""
        if sampler is not None:
            return super().interior(key, n, sampler)
        keys = jax.random.split(key)
        return jnp.concatenate([self.first.interior(keys[0], n), self.second.interior(keys[1], n)], axis=-1)

    @property
    def mantle(self) -> "Any":
        """The boundary of the second part at all points of the first: all times, where the first is time."""
        from .region import Mantle

        return Mantle(self)

    def draw_boundary(self, key: Any, n: int) -> tuple[Float[Array, "n d"], Float[Array, "n d"]]:
        """Points drawn evenly from ends and mantle, with outward unit normals."""
        keys = jax.random.split(key, 3)
        ends = self._ends(keys[0], n)
        mantle = self.draw_mantle(keys[1], n)
        share = self.first.boundary_size * self.second.size / self.boundary_size
        on_end = jax.random.bernoulli(keys[2], share, (n, 1))
        return jnp.where(on_end, ends[0], mantle[0]), jnp.where(on_end, ends[1], mantle[1])

    def _ends(self, key: Any, n: int) -> tuple[Array, Array]:
        keys = jax.random.split(key)
        points, normals = self.first.draw_boundary(keys[0], n)
        inner = self.second.interior(keys[1], n)
        return _join(points, inner), _join(normals, jnp.zeros_like(inner))

    def draw_mantle(self, key: Any, n: int) -> tuple[Float[Array, "n d"], Float[Array, "n d"]]:
        """Points of the boundary of the second part, at points inside the first."""
        keys = jax.random.split(key)
        inner = self.first.interior(keys[0], n)
        points, normals = self.second.draw_boundary(keys[1], n)
        return _join(inner, points), _join(jnp.zeros_like(inner), normals)


def _join(first: Array, second: Array) -> Array:
    return jnp.concatenate([first, second], axis=-1)
