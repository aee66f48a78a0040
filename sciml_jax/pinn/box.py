"""Boxes with named coordinates."""

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..core.tree import is_concrete
from .geometry import AbstractGeometry, as_float, as_given, check_names, conjunction, uniform


class Box(AbstractGeometry):
    """All points between two bounds in each coordinate.

    Parameters
    ----------
    bounds
        `{"t": (0.0, 1.0), "x": (-1.0, 1.0)}`: the coordinates, in the order in which points hold them, with their
        bounds.
    periodic
        Names of coordinates after whose period everything repeats: networks then see their sine and cosine, so that
        solutions are periodic exactly, and the coordinate has no faces.

    Raises
    ------
    TypeError, ValueError
        For bounds that are no pairs of finite numbers in increasing order, and periodic coordinates that do not exist.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    _lower: Any
    _upper: Any
    _periodic: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, bounds: Mapping[str, tuple[Any, Any]], *, periodic: Sequence[str] | str = ()):
        if not isinstance(bounds, Mapping):
            msg = f'`bounds` must map names to pairs; got {type(bounds).__name__}. Write `Box({{"x": (0.0, 1.0)}})`.'
            raise TypeError(msg)
        self.names = check_names(bounds)
        for name, pair in bounds.items():
            _check_pair(name, pair)
        self._lower = as_given([low for low, _ in bounds.values()])
        self._upper = as_given([high for _, high in bounds.values()])
        self._periodic = (periodic,) if isinstance(periodic, str) else tuple(periodic)
        for name in self._periodic:
            if name not in self.names:
                msg = f"`periodic` must name coordinates of {self.names}; got {name!r}. Check the spelling."
                raise ValueError(msg)

    @property
    def lower(self) -> Array:  # type: ignore[override]
        """The lower bounds."""
        return as_float(self._lower)

    @property
    def upper(self) -> Array:  # type: ignore[override]
        """The upper bounds."""
        return as_float(self._upper)

    @property
    def periodic(self) -> tuple[str, ...]:
        """Names of the periodic coordinates."""
        return self._periodic

    @property
    def _bounded(self) -> np.ndarray:
        return np.array([axis for axis, name in enumerate(self.names) if name not in self._periodic], int)

    def contains(self, z: Float[Array, "*batch d"]) -> Bool[Array, "*batch"]:
        """Whether points lie between the bounds; periodic coordinates may have any value."""
        z, axes = as_float(z), self._bounded
        within = (z[..., axes] >= self.lower[axes]) & (z[..., axes] <= self.upper[axes])
        return jnp.all(within, axis=-1)

    def distance(self, z: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """Positive inside, zero on the boundary, negative outside."""
        z = as_float(z)
        value = jnp.full(z.shape[:-1], jnp.inf, z.dtype)
        for number, axis in enumerate(self._bounded):
            low, high = self.lower[axis], self.upper[axis]
            part = (z[..., axis] - low) * (high - z[..., axis]) / (high - low)
            value = part if number == 0 else conjunction(value, part)
        return value

    @property
    def size(self) -> Array:
        """The product of the lengths."""
        return jnp.prod(self.upper - self.lower)

    @property
    def _face_sizes(self) -> Array:
        return (self.size / (self.upper - self.lower))[self._bounded]

    @property
    def boundary_size(self) -> Array:
        """The sum of the sizes of all faces; those of periodic coordinates do not count."""
        return 2 * jnp.sum(self._face_sizes)

    def draw_boundary(self, key: Any, n: int) -> tuple[Float[Array, "n d"], Float[Array, "n d"]]:
        """Points drawn evenly from the faces, with outward unit normals."""
        axes = self._bounded
        if not len(axes):
            msg = f"A boundary needs a coordinate that is not periodic; got {self.names}, all periodic. Take no face."
            raise ValueError(msg)
        key_point, key_axis, key_side = jax.random.split(key, 3)
        points = uniform(key_point, n, self.lower, self.upper)
        axis = jnp.asarray(axes)[jax.random.choice(key_axis, len(axes), (n,), p=self._face_sizes)]
        high = jax.random.bernoulli(key_side, shape=(n,))
        row = jnp.arange(n)
        points = points.at[row, axis].set(jnp.where(high, self.upper[axis], self.lower[axis]))
        normals = jnp.zeros_like(points).at[row, axis].set(jnp.where(high, 1.0, -1.0).astype(points.dtype))
        return points, normals


def _check_pair(name: str, pair: Any) -> None:
    if np.shape(pair)[:1] != (2,):
        msg = f"The bounds of {name!r} must be a pair (lower, upper); got {pair!r}. Write `(0.0, 1.0)`."
        raise ValueError(msg)
    if is_concrete(pair):
        low, high = (float(np.asarray(bound)) for bound in pair)
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            msg = f"The bounds of {name!r} must be finite and increasing; got ({low:g}, {high:g}). Swap or change them."
            raise ValueError(msg)
