"""Conditions that a solution fulfils on a region: Dirichlet, initial, periodic, or any other."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.callables import as_callable
from .condition_values import as_value, check_component, component_of
from .partials import nested_forward
from .region import AbstractRegion, Face, as_region


class AbstractCondition(eqx.Module):
    """An equation beside the differential equation.

    `draw(key, n)` draws what it is checked on, a pytree whose leaves have a leading axis of items; `row(u, item,
    params)` is the misfit at one item, a vector.
    """

    weight: eqx.AbstractVar[float | None]

    @abc.abstractmethod
    def draw(self, key: Any, n: int) -> Any:
        """About n items."""

    @abc.abstractmethod
    def row(self, u: Callable, item: Any, params: Any) -> Float[Array, " k"]:
        """The misfit at one item."""


class Condition(AbstractCondition):
    """Any equation `residual(u, z, normal, params) = 0` on a region.

    Parameters
    ----------
    region
        A face, a boundary or a part of it; a geometry stands for its boundary. `sj.pinn.Inside(domain)` is the inside.
    residual
        `residual(u, z, normal, params) -> number or vector`, with the outward unit normal at z; for derivatives use
        `domain.partials`.
    weight
        Factor of the squared misfit in the loss; None leaves it to the method.
    """

    region: AbstractRegion
    residual: Callable
    weight: float | None = eqx.field(static=True, default=None)

    def __init__(self, region: Any, residual: Callable, *, weight: float | None = None):
        self.region, self.weight = as_region(region), weight
        self.residual = as_callable(residual, "residual", "u", "z", "normal", "params")

    def draw(self, key: Any, n: int) -> Any:
        """Points with normals."""
        return self.region.sample(key, n)

    def row(self, u: Callable, item: Any, params: Any) -> Float[Array, " k"]:
        """The misfit at one point."""
        z, normal = item
        return jnp.atleast_1d(self.residual(u, z, normal, params))


class Dirichlet(AbstractCondition):
    """`u = value` on a region.

    On faces of boxes `sj.pinn.PINN()` builds such conditions into the function, so that they hold exactly.

    Parameters
    ----------
    region
        A face, a boundary or a part of it; a geometry stands for its boundary.
    value
        A number, or `value(z)` for one point; `value(z, params)` if it depends on the parameters.
    component
        Which component of a system; None for all, and for single equations.
    weight
        Factor of the squared misfit in the loss; None leaves it to the method.

    Raises
    ------
    TypeError, ValueError
        For what is no region, no function, or no component.
    """

    region: AbstractRegion
    value: Callable
    component: int | None = eqx.field(static=True)
    weight: float | None = eqx.field(static=True)

    def __init__(self, region: Any, value: Any, *, component: int | None = None, weight: float | None = None):
        self.region, self.value = as_region(region), as_value(value, "value")
        self.component, self.weight = check_component(component), weight

    def draw(self, key: Any, n: int) -> Any:
        """Points."""
        return self.region.sample(key, n)[0]

    def row(self, u: Callable, item: Any, params: Any) -> Float[Array, " k"]:
        """`u - value` at one point."""
        return jnp.atleast_1d(component_of(u(item), self.component) - self.value(item, params))


class Initial(AbstractCondition):
    """`u = value`, or a derivative of u by time, at the first moment.

    Parameters
    ----------
    domain
        A geometry with a time coordinate.
    value
        As for `Dirichlet`.
    derivative
        0 for the state, 1 for its velocity, and so on.
    time
        Name of the time coordinate.
    component, weight
        As for `Dirichlet`.
    """

    region: Face
    value: Callable
    derivative: int = eqx.field(static=True)
    component: int | None = eqx.field(static=True)
    weight: float | None = eqx.field(static=True)

    def __init__(
        self,
        domain: Any,
        value: Any,
        *,
        derivative: int = 0,
        time: str = "t",
        component: int | None = None,
        weight: float | None = None,
    ):
        if isinstance(derivative, bool) or not isinstance(derivative, int) or derivative < 0:
            msg = f"`derivative` must be 0, 1, 2, ...; got {derivative!r}. Pass 0 for the state, 1 for its velocity."
            raise ValueError(msg)
        self.region, self.value = Face(domain, time, "lower"), as_value(value, "value")
        self.derivative, self.component, self.weight = derivative, check_component(component), weight

    def draw(self, key: Any, n: int) -> Any:
        """Points."""
        return self.region.sample(key, n)[0]

    def row(self, u: Callable, item: Any, params: Any) -> Float[Array, " k"]:
        """The misfit at one point."""
        if self.derivative:
            (found,) = nested_forward(u, item, ((self.region.axis,) * self.derivative,))
        else:
            found = u(item)
        return jnp.atleast_1d(component_of(found, self.component) - self.value(item, params))


class Periodic(AbstractCondition):
    """The solution, and its derivatives by one coordinate, agree at both ends of that coordinate.

    A periodic coordinate of the domain, `Box(..., periodic="x")`, does the same exactly and at no cost; this condition
    is for domains in which that cannot be.

    Parameters
    ----------
    domain
        A box, or a product with one.
    name
        The coordinate.
    order
        The highest derivative that agrees.
    weight
        Factor of the squared misfit in the loss; None leaves it to the method.
    """

    region: Face
    order: int = eqx.field(static=True)
    weight: float | None = eqx.field(static=True)

    def __init__(self, domain: Any, name: str, *, order: int = 1, weight: float | None = None):
        self.region, self.order, self.weight = Face(domain, name, "lower"), order, weight

    def draw(self, key: Any, n: int) -> Any:
        """Points of the lower face."""
        return self.region.sample(key, n)[0]

    def row(self, u: Callable, item: Any, params: Any) -> Float[Array, " k"]:
        """The differences between both ends."""
        del params
        axis = self.region.axis
        orders = tuple((axis,) * (k + 1) for k in range(self.order))
        ends = [(u(z), *nested_forward(u, z, orders)) for z in (item, self.region.at(item, "upper"))]
        return jnp.concatenate([jnp.atleast_1d(low - high) for low, high in zip(*ends)])
