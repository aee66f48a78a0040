"""Conditions on the derivative along the normal."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .condition_values import as_value, check_component, component_of
from .conditions import AbstractCondition
from .region import AbstractRegion, as_region


class Robin(AbstractCondition):
    r"""$\alpha u + \beta\, \partial u / \partial n = $ `value` on a region, with the outward normal n.

    Parameters
    ----------
    region
        A face, a boundary or a part of it, with normals.
    alpha, beta
        Numbers or functions like `value`.
    value, component, weight
        As for `Dirichlet`.
    """

    region: AbstractRegion
    alpha: Callable
    beta: Callable
    value: Callable
    component: int | None = eqx.field(static=True)
    weight: float | None = eqx.field(static=True)

    def __init__(
        self,
        region: Any,
        alpha: Any,
        beta: Any,
        value: Any,
        *,
        component: int | None = None,
        weight: float | None = None,
    ):
        self.region = as_region(region)
        self.alpha, self.beta = as_value(alpha, "alpha"), as_value(beta, "beta")
        self.value, self.component, self.weight = as_value(value, "value"), check_component(component), weight

    def draw(self, key: Any, n: int) -> Any:
        """Points with normals."""
        return self.region.sample(key, n)

    def row(self, u: Callable, item: Any, params: Any) -> Float[Array, " k"]:
        """The misfit at one point."""
        z, normal = item
        value, slope = jax.jvp(u, (z,), (normal,))
        value, slope = (component_of(part, self.component) for part in (value, slope))
        misfit = self.alpha(z, params) * value + self.beta(z, params) * slope - self.value(z, params)
        return jnp.atleast_1d(misfit)


class Neumann(Robin):
    r"""$\partial u / \partial n = $ `value` on a region, with the outward normal n.

    Parameters
    ----------
    region
        A face, a boundary or a part of it, with normals.
    value, component, weight
        As for `Dirichlet`.
    """

    def __init__(self, region: Any, value: Any, *, component: int | None = None, weight: float | None = None):
        super().__init__(region, 0.0, 1.0, value, component=component, weight=weight)
