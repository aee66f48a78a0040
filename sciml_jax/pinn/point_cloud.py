"""Domains that are known by points only."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .ball import default_names
from .geometry import AbstractGeometry, as_float, as_given


class PointCloud(AbstractGeometry):
    """A domain that is known by points inside and on its boundary only.

    Parameters
    ----------
    points
        Inside, shape (n, d).
    boundary_points, normals
        On the boundary, shape (m, d), with outward unit normals of the same shape; None where there are none.
    names
        The coordinates.
    size, boundary_size
        Of the domain and its boundary; integral conditions need them. None takes 1.

    Raises
    ------
    ValueError
        For arrays whose shapes do not fit.

    Notes
    -----
    Points are drawn from those given, with repetition; samplers do not apply. There is no inside test beyond the
    bounding box, and no distance function.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    _points: Any
    _boundary_points: Any
    _normals: Any
    given_size: Any
    given_boundary_size: Any

    def __init__(
        self,
        points: Any,
        boundary_points: Any = None,
        normals: Any = None,
        *,
        names: Any = None,
        size: Any = None,
        boundary_size: Any = None,
    ):
        self._points = as_given(points)
        if self.points.ndim != 2 or self.points.shape[0] < 1:
            msg = f"`points` must have shape (n, d); got shape {self.points.shape}. Put one point in every row."
            raise ValueError(msg)
        count = self.points.shape[1]
        self.names = tuple(names) if names is not None else default_names(count)
        if len(self.names) != count:
            msg = f"`names` must name {count} coordinates, the columns of `points`; got {self.names}. Name each once."
            raise ValueError(msg)
        self._boundary_points = None if boundary_points is None else as_given(boundary_points)
        self._normals = None if normals is None else as_given(normals)
        for given, name in ((self.boundary_points, "boundary_points"), (self.normals, "normals")):
            if given is not None and (given.ndim != 2 or given.shape[1] != count):
                msg = f"`{name}` must have shape (m, {count}), like `points`; got {given.shape}. Give all coordinates."
                raise ValueError(msg)
        if self.normals is not None and self.normals.shape != getattr(self.boundary_points, "shape", None):
            msg = f"`normals` must match `boundary_points`; got {self.normals.shape}. Give one normal for each point."
            raise ValueError(msg)
        self.given_size, self.given_boundary_size = size, boundary_size

    @property
    def points(self) -> Array:
        """The points inside."""
        return as_float(self._points)

    @property
    def boundary_points(self) -> Array | None:
        """The points on the boundary."""
        return None if self._boundary_points is None else as_float(self._boundary_points)

    @property
    def normals(self) -> Array | None:
        """The outward normals at the points on the boundary."""
        return None if self._normals is None else as_float(self._normals)

    @property
    def lower(self) -> Array:  # type: ignore[override]
        """The lower corner of the bounding box of all points."""
        return jnp.min(self._all, axis=0)

    @property
    def upper(self) -> Array:  # type: ignore[override]
        """The upper corner of the bounding box of all points."""
        return jnp.max(self._all, axis=0)

    @property
    def _all(self) -> Array:
        boundary = self.boundary_points
        return self.points if boundary is None else jnp.concatenate([self.points, boundary])

    def contains(self, z: Float[Array, "*batch d"]) -> Bool[Array, "*batch"]:
        """Whether points lie in the bounding box; more is not known."""
        return jnp.all((jnp.asarray(z) >= self.lower) & (jnp.asarray(z) <= self.upper), axis=-1)

    def distance(self, z: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """Not known for points."""
        del z
        msg = "A point cloud has no distance function; none can be derived from points. Use a geometry with a formula."
        raise NotImplementedError(msg)

    @property
    def size(self) -> Array:
        """The given size, else 1."""
        return as_float(1.0 if self.given_size is None else self.given_size)

    @property
    def boundary_size(self) -> Array:
        """The given size of the boundary, else 1."""
        return as_float(1.0 if self.given_boundary_size is None else self.given_boundary_size)

    def interior(self, key: Any, n: int, sampler: Any = None) -> Float[Array, "n d"]:
        """Some of the points, all of them before any comes again."""
        del sampler
        return self.points[_picked(key, n, self.points.shape[0])]

    def draw_boundary(self, key: Any, n: int) -> tuple[Float[Array, "n d"], Float[Array, "n d"]]:
        """Some of the boundary points; normals are zero where none were given."""
        boundary = self.boundary_points
        if boundary is None:
            msg = "This point cloud has no boundary; conditions need one. Pass `boundary_points`, and `normals`."
            raise ValueError(msg)
        chosen = _picked(key, n, boundary.shape[0])
        normals = jnp.zeros_like(boundary) if self.normals is None else self.normals
        return boundary[chosen], normals[chosen]


def _picked(key: Any, n: int, count: int) -> Array:
    return jnp.tile(jax.random.permutation(key, count), -(-n // count))[:n]
