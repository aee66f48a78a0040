"""Constructive solid geometry: unions, intersections and differences."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..core.tree import is_concrete
from .geometry import AbstractGeometry, check_same_names, conjunction, disjunction, fill, uniform

TRIALS = 1 << 14
"""Points by which sizes are estimated: to about one per cent."""


class AbstractCombination(AbstractGeometry):
    """Two geometries in the same coordinates as one. Sizes are estimated by random points, to about one per cent."""

    first: eqx.AbstractVar[AbstractGeometry]
    second: eqx.AbstractVar[AbstractGeometry]

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The coordinates."""
        return self.first.names

    @property
    def turned(self) -> bool:
        """Whether normals of the second part point the other way."""
        return False

    @property
    def size(self) -> Array:
        """An estimate of the size."""
        points = uniform(jax.random.key(0), TRIALS, self.lower, self.upper)
        return jnp.mean(self.contains(points)) * jnp.prod(self.upper - self.lower)

    @property
    def boundary_size(self) -> Array:
        """An estimate of the size of the boundary."""
        total = self.first.boundary_size + self.second.boundary_size
        return total * jnp.mean(self._attempt(jax.random.key(1), TRIALS)[1])

    def draw_boundary(self, key: Any, n: int) -> tuple[Float[Array, "n d"], Float[Array, "n d"]]:
        """Points drawn evenly from what is left of both boundaries, with outward unit normals."""
        return fill(lambda key: self._attempt(key, n), key, n)

    def _attempt(self, key: Any, n: int) -> tuple[tuple[Array, Array], Array]:
        keys = jax.random.split(key, 3)
        ours, ours_normals = self.first.draw_boundary(keys[0], n)
        theirs, theirs_normals = self.second.draw_boundary(keys[1], n)
        sizes = (self.first.boundary_size, self.second.boundary_size)
        chosen = jax.random.bernoulli(keys[2], sizes[0] / (sizes[0] + sizes[1]), (n,))
        sign = -1.0 if self.turned else 1.0
        points = jnp.where(chosen[:, None], ours, theirs)
        normals = jnp.where(chosen[:, None], ours_normals, sign * theirs_normals)
        # On the boundary of the whole a step inwards is inside and a step outwards is not; parts may share faces.
        step = 4 * jnp.sqrt(jnp.finfo(points.dtype).eps) * jnp.max(self.upper - self.lower) * normals
        return (points, normals), self.contains(points - step) & ~self.contains(points + step)

    def _check(self, what: str) -> None:
        check_same_names(self.first, self.second, what)
        if not is_concrete((self.first, self.second)):
            return
        with jax.ensure_compile_time_eval():
            inside = np.any(self.contains(uniform(jax.random.key(0), TRIALS, self.lower, self.upper)))
        if not inside:
            msg = f"{what} must hold points; none of {TRIALS} points of its bounding box lies inside. Check the parts."
            raise ValueError(msg)


class Union(AbstractCombination):
    """What lies in either of two geometries, `a | b`."""

    first: AbstractGeometry
    second: AbstractGeometry

    def __init__(self, first: AbstractGeometry, second: AbstractGeometry):
        self.first, self.second = first, second
        self._check("A union")

    @property
    def lower(self) -> Array:  # type: ignore[override]
        """The lower corner of the bounding box."""
        return jnp.minimum(self.first.lower, self.second.lower)

    @property
    def upper(self) -> Array:  # type: ignore[override]
        """The upper corner of the bounding box."""
        return jnp.maximum(self.first.upper, self.second.upper)

    def contains(self, z: Float[Array, "*batch d"]) -> Bool[Array, "*batch"]:
        """Whether points lie in either."""
        return self.first.contains(z) | self.second.contains(z)

    def distance(self, z: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """Positive inside, zero on the boundary, negative outside."""
        return disjunction(self.first.distance(z), self.second.distance(z))


class Intersection(AbstractCombination):
    """What lies in both of two geometries, `a & b`."""

    first: AbstractGeometry
    second: AbstractGeometry

    def __init__(self, first: AbstractGeometry, second: AbstractGeometry):
        self.first, self.second = first, second
        self._check("An intersection")

    @property
    def lower(self) -> Array:  # type: ignore[override]
        """The lower corner of the bounding box."""
        return jnp.maximum(self.first.lower, self.second.lower)

    @property
    def upper(self) -> Array:  # type: ignore[override]
        """The upper corner of the bounding box."""
        return jnp.minimum(self.first.upper, self.second.upper)

    def contains(self, z: Float[Array, "*batch d"]) -> Bool[Array, "*batch"]:
        """Whether points lie in both."""
        return self.first.contains(z) & self.second.contains(z)

    def distance(self, z: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """Positive inside, zero on the boundary, negative outside."""
        return conjunction(self.first.distance(z), self.second.distance(z))


class Difference(AbstractCombination):
    """What lies in the first of two geometries and not in the second, `a - b`."""

    first: AbstractGeometry
    second: AbstractGeometry

    def __init__(self, first: AbstractGeometry, second: AbstractGeometry):
        self.first, self.second = first, second
        self._check("A difference")

    @property
    def lower(self) -> Array:  # type: ignore[override]
        """The lower corner of the bounding box of the first."""
        return self.first.lower

    @property
    def upper(self) -> Array:  # type: ignore[override]
        """The upper corner of the bounding box of the first."""
        return self.first.upper

    def contains(self, z: Float[Array, "*batch d"]) -> Bool[Array, "*batch"]:
        """Whether points lie in the first only; the boundary of the second belongs to neither."""
        return self.first.contains(z) & ~self.second.contains(z)

    def distance(self, z: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """Positive inside, zero on the boundary, negative outside."""
        return conjunction(self.first.distance(z), -self.second.distance(z))

    @property
    def turned(self) -> bool:
        """Normals of what is cut out point into it."""
        return True
