"""What every geometry offers: named coordinates, an inside test, points inside and on the boundary, derivatives."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..numerics.loops import while_loop
from .partials import nested_forward, parse_partial

ROUNDS = 1000
"""Bound on the rounds of rejection; a domain that fills a thousandth of its bounding box needs about that many."""


class AbstractGeometry(eqx.Module):
    """A set of points with named coordinates.

    Time is a coordinate like any other. Geometries combine: `a - b`, `a | b`, `a & b` within one set of coordinates,
    `a * b` for the product of geometries in different coordinates, such as a time interval and a disc.

    Attributes
    ----------
    names
        The coordinates, in the order in which points `z` hold them.
    lower, upper
        Corners of the bounding box, shape (d,).
    periodic
        Names of the periodic coordinates.
    """

    names: eqx.AbstractVar[tuple[str, ...]]
    lower: eqx.AbstractVar[Array]
    upper: eqx.AbstractVar[Array]

    @property
    def periodic(self) -> tuple[str, ...]:
        """Names of the periodic coordinates."""
        return ()

    @property
    def dim(self) -> int:
        """The number of coordinates."""
        return len(self.names)

    @abc.abstractmethod
    def contains(self, z: Float[Array, "*batch d"]) -> Bool[Array, "*batch"]:
        """Whether points lie inside or on the boundary."""

    @abc.abstractmethod
    def distance(self, z: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """A function that is positive inside, zero on the boundary and negative outside, of slope one at smooth parts.

        It is smooth inside but for edges and corners, and not the distance away from the boundary.
        """

    @property
    @abc.abstractmethod
    def size(self) -> Array:
        """Length, area or volume."""

    @property
    @abc.abstractmethod
    def boundary_size(self) -> Array:
        """The size of the boundary: the number of points, the length or the area."""

    @abc.abstractmethod
    def draw_boundary(self, key: Any, n: int) -> tuple[Float[Array, "n d"], Float[Array, "n d"]]:
        """Points drawn evenly from the boundary, with outward unit normals."""

    def interior(self, key: Any, n: int, sampler: Any = None) -> Float[Array, "n d"]:
        """Points inside, by rejection from the bounding box.

        Parameters
        ----------
        key
            A PRNG key.
        n
            How many.
        sampler
            How points of the bounding box are drawn: an object with `points(key, n, lower, upper)`, such as
            `sj.pinn.Sobol()`. None draws independent uniform points.
        """
        draw = uniform if sampler is None else sampler.points

        def attempt(key: Any) -> tuple[Array, Array]:
            points = draw(key, n, self.lower, self.upper)
            return points, self.contains(points)

        return fill(attempt, key, n)

    def face(self, name: str, side: str | None = None) -> Any:
        """The part of the boundary on which one coordinate has its lower or upper bound, or both."""
        from .region import Face

        return Face(self, name, side)

    @property
    def boundary(self) -> Any:
        """The whole boundary, as a region for conditions."""
        from .region import Boundary

        return Boundary(self)

    def partials(
        self, u: Callable[[Array], Any], z: Float[Array, " d"], *which: Any, engine: Callable | None = None
    ) -> tuple[Any, ...]:
        """Derivatives of `u` at the point `z`, all that are asked for computed together.

        Parameters
        ----------
        u
            A function of a point, `u(z)`.
        z
            One point, shape (d,).
        which
            Names of derivatives: coordinates written one after the other, `"t"`, `"x"`, `"xx"`, `"tx"`, or tuples of
            coordinates.
        engine
            How they are computed: a function `(u, z, orders) -> derivatives` where each order is a tuple of axes. None
            takes nested forward mode.

        Returns
        -------
        A tuple with one value like `u(z)` for each name.

        Raises
        ------
        ValueError
            For a coordinate that does not exist or a point of another length.
        """
        z = jnp.asarray(z)
        if z.shape != (self.dim,):
            msg = (
                f"`z` must be one point of the coordinates {self.names}, shape ({self.dim},); got shape {z.shape}. "
                "Map over points with `jax.vmap`."
            )
            raise ValueError(msg)
        orders = tuple(parse_partial(name, self.names) for name in which)
        return (nested_forward if engine is None else engine)(u, z, orders)

    def __sub__(self, other: "AbstractGeometry") -> "AbstractGeometry":
        from .constructive import Difference

        return Difference(self, other)

    def __or__(self, other: "AbstractGeometry") -> "AbstractGeometry":
        from .constructive import Union

        return Union(self, other)

    def __and__(self, other: "AbstractGeometry") -> "AbstractGeometry":
        from .constructive import Intersection

        return Intersection(self, other)

    def __mul__(self, other: "AbstractGeometry") -> "AbstractGeometry":
        from .product import Product

        return Product(self, other)


def uniform(key: Any, n: int, lower: Array, upper: Array) -> Float[Array, "n d"]:
    """Independent uniform points of a box."""
    return lower + (upper - lower) * jax.random.uniform(key, (n, lower.shape[0]), lower.dtype)


def fill(attempt: Callable[[Any], tuple[Any, Array]], key: Any, n: int) -> Any:
    """The first n accepted rows of repeated attempts.

    `attempt(key)` returns a pytree of rows and which of them are accepted. Where the rounds do not suffice, what was
    found is repeated; NaN where nothing was.
    """
    rows, _ = jax.eval_shape(attempt, key)
    rows = jax.tree_util.tree_map(lambda leaf: jnp.full((n, *leaf.shape[1:]), jnp.nan, leaf.dtype), rows)

    def going(state: tuple) -> Any:
        _, count, _, rounds = state
        return (count < n) & (rounds < ROUNDS)

    def body(state: tuple) -> tuple:
        key, count, rows, rounds = state
        key, sub = jax.random.split(key)
        found, accepted = attempt(sub)
        place = jnp.where(accepted, count + jnp.cumsum(accepted) - 1, n)
        rows = jax.tree_util.tree_map(lambda old, new: old.at[place].set(new, mode="drop"), rows, found)
        return key, count + jnp.sum(accepted), rows, rounds + 1

    start = (key, jnp.zeros((), int), rows, jnp.zeros((), int))
    _, count, rows, _ = while_loop(going, body, start, key)
    repeated = jnp.arange(n) % jnp.clip(count, 1, n)
    return jax.tree_util.tree_map(lambda leaf: leaf[repeated], rows)


def conjunction(a: Array, b: Array) -> Array:
    """Positive where both are; smooth but where both vanish (an R-function)."""
    return a + b - _root(a, b)


def disjunction(a: Array, b: Array) -> Array:
    """Positive where either is; smooth but where both vanish (an R-function)."""
    return a + b + _root(a, b)


def _root(a: Array, b: Array) -> Array:
    square = a * a + b * b
    # The derivative of a root at zero is not a number; at corners its value alone matters.
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


def as_float(value: Any) -> Array:
    """An array of floats of the default precision, or of its own."""
    value = jnp.asarray(value)
    dtype = value.dtype if jnp.issubdtype(value.dtype, jnp.floating) else jnp.result_type(float)
    # A weak type, as Python numbers have, would become a strong one in the first step and compile twice.
    return jax.lax.convert_element_type(value, dtype)


def as_given(value: Any) -> Any:
    """Numbers as a geometry keeps them: JAX arrays as they are, all others as NumPy's.

    NumPy's doubles become floats of the default precision where they are used, so that a geometry made before float64
    was switched on is not stuck in float32.
    """
    if any(isinstance(leaf, jax.Array) for leaf in jax.tree_util.tree_leaves(value)):
        return as_float(value)
    value = np.asarray(value)
    return value if np.issubdtype(value.dtype, np.floating) else value.astype(float)


def check_names(names: Any) -> tuple[str, ...]:
    """Refuse names of coordinates that are no strings, empty, or used twice."""
    names = tuple(names)
    if not names or not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        msg = f"Coordinates need different names, each a string; got {names!r}. Write, for example, ('x', 'y')."
        raise ValueError(msg)
    return names


def check_same_names(first: AbstractGeometry, second: Any, what: str) -> None:
    """Refuse to combine what is no geometry, or geometries in different coordinates."""
    if not isinstance(second, AbstractGeometry):
        msg = f"{what} needs two geometries; got {type(second).__name__}. Pass, for example, `sj.pinn.Ball(...)`."
        raise TypeError(msg)
    if first.names != second.names:
        msg = (
            f"{what} needs geometries in the same coordinates; got {first.names} and {second.names}. Name them alike, "
            "or take the product `a * b` of geometries in different coordinates."
        )
        raise ValueError(msg)
