"""Where conditions hold: faces, boundaries and parts of them."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core.callables import as_callable
from .geometry import AbstractGeometry, fill


class AbstractRegion(eqx.Module):
    """A set of points with normals."""

    geometry: eqx.AbstractVar[AbstractGeometry]

    @property
    @abc.abstractmethod
    def size(self) -> Array:
        """Its size, for integrals."""

    @abc.abstractmethod
    def sample(self, key: Any, n: int) -> tuple[Float[Array, "n d"], Float[Array, "n d"]]:
        """Points drawn evenly, with outward unit normals."""


class Face(AbstractRegion):
    """The points of a geometry at which one coordinate has its lower or upper bound, or either.

    Parameters
    ----------
    geometry
        A box, or a product with one that has this coordinate.
    name
        The coordinate.
    side
        `"lower"`, `"upper"`, or None for both.

    Raises
    ------
    ValueError
        For a coordinate that does not exist, is periodic, or has no face; and another side.
    """

    geometry: AbstractGeometry
    axis: int = eqx.field(static=True)
    sides: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, geometry: AbstractGeometry, name: str, side: str | None = None):
        names = geometry.names
        if name not in names:
            msg = f"`face` needs one of the coordinates {names}; got {name!r}. Check the spelling."
            raise ValueError(msg)
        if name in geometry.periodic:
            msg = f"A periodic coordinate has no face; got {name!r}. Leave the condition out: it holds exactly."
            raise ValueError(msg)
        if side not in (None, "lower", "upper"):
            msg = f'`side` must be "lower", "upper" or None for both; got {side!r}. Choose one of them.'
            raise ValueError(msg)
        if not _is_box_like(geometry, name):
            msg = (
                f"Only boxes and their products have faces; got {type(geometry).__name__} for {name!r}. Use "
                "`domain.boundary`, or a part of it, `sj.pinn.Boundary(domain, where=...)`."
            )
            raise ValueError(msg)
        self.geometry, self.axis = geometry, names.index(name)
        self.sides = ("lower", "upper") if side is None else (side,)

    @property
    def name(self) -> str:
        """The coordinate."""
        return self.geometry.names[self.axis]

    @property
    def size(self) -> Array:
        """The size of one face times their number."""
        length = self.geometry.upper[self.axis] - self.geometry.lower[self.axis]
        return len(self.sides) * self.geometry.size / length

    def at(self, z: Array, side: str) -> Array:
        """Points moved onto a face along its normal."""
        bound = self.geometry.lower if side == "lower" else self.geometry.upper
        return z.at[..., self.axis].set(bound[self.axis])

    def sample(self, key: Any, n: int) -> tuple[Float[Array, "n d"], Float[Array, "n d"]]:
        """Points of both faces in turn, with outward unit normals."""
        points = self.geometry.interior(key, n)
        high = (
            np.arange(n) % len(self.sides) == self.sides.index("upper") if "upper" in self.sides else np.zeros(n, bool)
        )
        bound = jnp.where(jnp.asarray(high), self.geometry.upper[self.axis], self.geometry.lower[self.axis])
        sign = jnp.where(jnp.asarray(high), 1.0, -1.0).astype(points.dtype)
        return points.at[:, self.axis].set(bound), jnp.zeros_like(points).at[:, self.axis].set(sign)


def _is_box_like(geometry: Any, name: str) -> bool:
    from .box import Box
    from .product import Product

    if isinstance(geometry, Product):
        part = geometry.first if name in geometry.first.names else geometry.second
        return _is_box_like(part, name)
    return isinstance(geometry, Box)


class Boundary(AbstractRegion):
    """The boundary of a geometry, or the part of it that `where` selects.

    Parameters
    ----------
    geometry
        Any geometry.
    where
        `where(z) -> bool` for one point; None selects everything.

    Notes
    -----
    Parts are drawn by rejection: a small part of a large boundary costs as many draws as it is rare.
    """

    geometry: AbstractGeometry
    where: Callable | None

    def __init__(self, geometry: AbstractGeometry, where: Callable | None = None):
        if not isinstance(geometry, AbstractGeometry):
            msg = f"`geometry` must be a geometry; got {type(geometry).__name__}. Pass, for example, the domain."
            raise TypeError(msg)
        self.geometry = geometry
        self.where = None if where is None else as_callable(where, "where", "z")

    @property
    def size(self) -> Array:
        """The size of the boundary; of a part, an estimate to about one per cent."""
        if self.where is None:
            return self.geometry.boundary_size
        points, _ = self.geometry.draw_boundary(jax.random.key(0), 1 << 14)
        return self.geometry.boundary_size * jnp.mean(jax.vmap(self.where)(points))

    def sample(self, key: Any, n: int) -> tuple[Float[Array, "n d"], Float[Array, "n d"]]:
        """Points drawn evenly, with outward unit normals."""
        if self.where is None:
            return self.geometry.draw_boundary(key, n)
        where = self.where

        def attempt(key: Any) -> tuple[Any, Array]:
            points, normals = self.geometry.draw_boundary(key, n)
            return (points, normals), jax.vmap(where)(points)

        return fill(attempt, key, n)


class Mantle(AbstractRegion):
    """The boundary of the second part of a product at all points of the first: walls at all times."""

    geometry: AbstractGeometry

    @property
    def size(self) -> Array:
        """The size of the first part times the boundary of the second."""
        product: Any = self.geometry
        return product.first.size * product.second.boundary_size

    def sample(self, key: Any, n: int) -> tuple[Float[Array, "n d"], Float[Array, "n d"]]:
        """Points drawn evenly, with outward unit normals, which have no component along the first coordinates."""
        product: Any = self.geometry
        return product.draw_mantle(key, n)


class Inside(AbstractRegion):
    """All of a geometry, for conditions that hold inside and for integrals; normals are zero."""

    geometry: AbstractGeometry

    @property
    def size(self) -> Array:
        """The size of the geometry."""
        return self.geometry.size

    def sample(self, key: Any, n: int) -> tuple[Float[Array, "n d"], Float[Array, "n d"]]:
        """Points drawn evenly."""
        points = self.geometry.interior(key, n)
        return points, jnp.zeros_like(points)


def as_region(where: Any) -> AbstractRegion:
    """A region as it is; a geometry stands for its boundary."""
    if isinstance(where, AbstractGeometry):
        return Boundary(where)
    if isinstance(where, AbstractRegion):
        return where
    msg = (
        f"A condition holds on a region; got {type(where).__name__}. Pass `domain.face(...)`, `domain.boundary`, or "
        "`sj.pinn.Boundary(domain, where=...)`."
    )
    raise TypeError(msg)
