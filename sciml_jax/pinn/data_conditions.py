"""Conditions from measurements and integrals."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.callables import as_callable
from ..core.tree import describe
from .condition_values import as_value, check_component, component_of
from .conditions import AbstractCondition
from .geometry import AbstractGeometry
from .region import AbstractRegion, Inside


class Data(AbstractCondition):
    """`u(points) = values`: measurements.

    Parameters
    ----------
    points
        Shape (n, d).
    values
        What was measured there, shape (n,), or (n, m) for m numbers each.
    observe
        `observe(u, z, params) -> number or vector`, what a measurement at z would be; None takes `u(z)`.
    component
        Which component was measured; None for all.
    noise
        Standard deviation of the measurements, in units of `values`: misfits are divided by it.
    weight
        Factor of the squared misfit in the loss; None leaves it to the method.

    Raises
    ------
    ValueError
        For shapes that do not fit.
    """

    points: Array
    values: Array
    observe: Callable | None
    component: int | None = eqx.field(static=True)
    noise: Any
    weight: float | None = eqx.field(static=True)

    def __init__(
        self,
        points: Any,
        values: Any,
        *,
        observe: Callable | None = None,
        component: int | None = None,
        noise: Any = 1.0,
        weight: float | None = None,
    ):
        self.points, self.values = jnp.asarray(points, float), jnp.asarray(values, float)
        if self.points.ndim != 2 or self.values.ndim not in (1, 2) or len(self.points) != len(self.values):
            msg = (
                "`points` must have shape (n, d) and `values` (n,) or (n, m); got "
                f"{describe(self.points)} and {describe(self.values)}. Give one value for each point."
            )
            raise ValueError(msg)
        self.observe = None if observe is None else as_callable(observe, "observe", "u", "z", "params")
        self.component, self.noise, self.weight = check_component(component), jnp.asarray(noise, float), weight

    def draw(self, key: Any, n: int) -> Any:
        """All measurements, whatever n is."""
        del key, n
        return self.points, self.values

    def row(self, u: Callable, item: Any, params: Any) -> Float[Array, " k"]:
        """The misfit of one measurement in standard deviations."""
        z, value = item
        found = component_of(u(z), self.component) if self.observe is None else self.observe(u, z, params)
        return jnp.atleast_1d((found - value) / self.noise)


class Integral(AbstractCondition):
    r"""$\int$ `integrand(u, z, params)` $dz = $ `value` over a geometry or a region.

    The integral is the mean over random points times the size.

    Parameters
    ----------
    over
        A geometry (its inside) or a region.
    value
        A number.
    integrand
        `integrand(u, z, params) -> number`; None takes `u(z)`.
    num_points
        How many points; the error falls like one over their root.
    weight
        Factor of the squared misfit in the loss; None leaves it to the method.
    """

    region: AbstractRegion
    value: Callable
    integrand: Callable | None
    num_points: int = eqx.field(static=True)
    weight: float | None = eqx.field(static=True)

    def __init__(
        self,
        over: Any,
        value: Any,
        *,
        integrand: Callable | None = None,
        num_points: int = 1024,
        weight: float | None = None,
    ):
        if not isinstance(over, (AbstractGeometry, AbstractRegion)):
            msg = f"`over` must be a geometry or a region; got {type(over).__name__}. Pass, for example, the domain."
            raise TypeError(msg)
        self.region = Inside(over) if isinstance(over, AbstractGeometry) else over
        self.value = as_value(value, "value")
        self.integrand = None if integrand is None else as_callable(integrand, "integrand", "u", "z", "params")
        self.num_points, self.weight = int(num_points), weight

    def draw(self, key: Any, n: int) -> Any:
        """One set of points."""
        del n
        return self.region.sample(key, self.num_points)[0][None]

    def row(self, u: Callable, item: Any, params: Any) -> Float[Array, " k"]:
        """The integral over one set of points, less the value."""
        integrand = self.integrand
        at = (lambda z: u(z)) if integrand is None else (lambda z: integrand(u, z, params))
        total = jnp.mean(jax.vmap(at)(item), axis=0) * self.region.size
        return jnp.atleast_1d(total - self.value(item[0], params))
