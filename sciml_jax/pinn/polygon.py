"""Polygons in the plane."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..core.tree import describe, is_concrete
from .geometry import AbstractGeometry, as_float, as_given, check_names


class Polygon(AbstractGeometry):
    """The inside of a closed line that does not cross itself.

    Parameters
    ----------
    vertices
        Its corners in either sense, shape (n, 2) with n at least 3; the last one is joined to the first.
    names
        The coordinates.

    Raises
    ------
    ValueError
        For vertices of another shape, and polygons without an area.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    _vertices: Any

    def __init__(self, vertices: Any, names: Sequence[str] = ("x", "y")):
        vertices = as_given(vertices)
        if vertices.ndim != 2 or vertices.shape[1] != 2 or vertices.shape[0] < 3:
            msg = f"`vertices` must have shape (n, 2), n at least 3; got {describe(vertices)}. List the corners."
            raise ValueError(msg)
        self.names = check_names(names)
        if len(self.names) != 2:
            msg = f"A polygon has two coordinates; got the names {self.names}. Pass two."
            raise ValueError(msg)
        if is_concrete(vertices) and not np.abs(_area(np.asarray(vertices))) > 0:
            msg = "A polygon needs an area; its corners lie on one line. Give corners that enclose something."
            raise ValueError(msg)
        # Counter-clockwise, so that normals point outwards.
        turned = np.where if isinstance(vertices, np.ndarray) else jnp.where
        self._vertices = turned(_area(vertices) > 0, vertices, vertices[::-1])

    @property
    def vertices(self) -> Array:
        """The corners, counter-clockwise, shape (n, 2)."""
        return as_float(self._vertices)

    @property
    def lower(self) -> Array:  # type: ignore[override]
        """The lower corner of the bounding box."""
        return jnp.min(self.vertices, axis=0)

    @property
    def upper(self) -> Array:  # type: ignore[override]
        """The upper corner of the bounding box."""
        return jnp.max(self.vertices, axis=0)

    @property
    def _edges(self) -> tuple[Array, Array]:
        return self.vertices, jnp.roll(self.vertices, -1, axis=0)

    def contains(self, z: Float[Array, "*batch 2"]) -> Bool[Array, "*batch"]:
        """Whether a ray from the point crosses the line an odd number of times."""
        z = as_float(z)
        start, end = self._edges
        x, y = z[..., :1], z[..., 1:]
        spans = (start[:, 1] > y) != (end[:, 1] > y)
        rise = jnp.where(end[:, 1] == start[:, 1], 1.0, end[:, 1] - start[:, 1])
        crossing = start[:, 0] + (y - start[:, 1]) / rise * (end[:, 0] - start[:, 0])
        return jnp.sum(spans & (x < crossing), axis=-1) % 2 == 1

    def distance(self, z: Float[Array, "*batch 2"]) -> Float[Array, "*batch"]:
        r"""Positive inside, negative outside: $(\sum_i \phi_i^{-2})^{-1/2}$ with $\phi_i$ that of an edge.

        Smooth inside, with a Laplacian that grows at the corners.

        References
        ----------
        Sukumar & Srivastava, Exact imposition of boundary conditions with distance functions in physics-informed deep
        neural networks, CMAME 389 (2022).
        """
        z = as_float(z)
        start, end = self._edges
        length = jnp.linalg.norm(end - start, axis=-1)
        along = (end - start) / length[:, None]
        offset = z[..., None, :] - start
        across = offset[..., 0] * along[:, 1] - offset[..., 1] * along[:, 0]
        middle = z[..., None, :] - (start + end) / 2
        trim = ((length / 2) ** 2 - jnp.sum(middle**2, axis=-1)) / length
        bend = jnp.sqrt(trim**2 + across**4 + jnp.finfo(z.dtype).tiny)
        squares = across**2 + ((bend - trim) / 2) ** 2
        on_edge = jnp.any(squares == 0, axis=-1, keepdims=True)
        value = 1.0 / jnp.sqrt(jnp.sum(1.0 / jnp.where(on_edge, 1.0, squares), axis=-1))
        signed = jnp.where(self.contains(z), value, -value)
        return jnp.where(on_edge[..., 0], 0.0, signed)

    @property
    def size(self) -> Array:
        """The area."""
        return _area(self.vertices)

    @property
    def boundary_size(self) -> Array:
        """The length of the line."""
        start, end = self._edges
        return jnp.sum(jnp.linalg.norm(end - start, axis=-1))

    def draw_boundary(self, key: Any, n: int) -> tuple[Float[Array, "n 2"], Float[Array, "n 2"]]:
        """Points drawn evenly from the line, with outward unit normals."""
        start, end = self._edges
        length = jnp.linalg.norm(end - start, axis=-1)
        key_edge, key_place = jax.random.split(key)
        edge = jax.random.choice(key_edge, length.shape[0], (n,), p=length / jnp.sum(length))
        share = jax.random.uniform(key_place, (n, 1), self.vertices.dtype)
        along = (end - start)[edge] / length[edge, None]
        normals = jnp.stack([along[:, 1], -along[:, 0]], axis=-1)
        return start[edge] + share * (end - start)[edge], normals


def _area(vertices: Any) -> Any:
    x, y = vertices[:, 0], vertices[:, 1]
    following = np.roll(np.arange(len(vertices)), -1)
    return (x * y[following] - x[following] * y).sum() / 2
