"""Kernels of local regression: how much a neighbour at distance u, in bandwidths, counts."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class AbstractKernel(eqx.Module):
    """A weight function, symmetric, with its largest value at u = 0."""

    @abc.abstractmethod
    def __call__(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """The weights."""


def _inside(u, value):
    return jnp.where(jnp.abs(u) < 1, value, 0.0)


class Epanechnikov(AbstractKernel):
    """`3/4 (1 - u^2)` for `|u| < 1`: of least mean squared error."""

    def __call__(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """The weights."""
        return _inside(u, 0.75 * (1 - u**2))


class Uniform(AbstractKernel):
    """`1/2` for `|u| < 1`: a moving window."""

    def __call__(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """The weights."""
        return _inside(u, 0.5 * jnp.ones_like(u))


class Triangular(AbstractKernel):
    """`1 - |u|` for `|u| < 1`."""

    def __call__(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """The weights."""
        return _inside(u, 1 - jnp.abs(u))


class Quartic(AbstractKernel):
    """`15/16 (1 - u^2)^2` for `|u| < 1`, also called biweight."""

    def __call__(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """The weights."""
        return _inside(u, 15 / 16 * (1 - u**2) ** 2)


class Triweight(AbstractKernel):
    """`35/32 (1 - u^2)^3` for `|u| < 1`."""

    def __call__(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """The weights."""
        return _inside(u, 35 / 32 * (1 - u**2) ** 3)


class Tricube(AbstractKernel):
    """`70/81 (1 - |u|^3)^3` for `|u| < 1`: that of loess."""

    def __call__(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """The weights."""
        return _inside(u, 70 / 81 * (1 - jnp.abs(u) ** 3) ** 3)


class Gaussian(AbstractKernel):
    """`exp(-u^2 / 2) / sqrt(2 pi)`."""

    def __call__(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """The weights."""
        return jnp.exp(-(u**2) / 2) / jnp.sqrt(2 * jnp.pi)


class Cosine(AbstractKernel):
    """`pi/4 cos(pi u / 2)` for `|u| < 1`."""

    def __call__(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """The weights."""
        return _inside(u, jnp.pi / 4 * jnp.cos(jnp.pi * u / 2))


class Logistic(AbstractKernel):
    """`1 / (exp(u) + 2 + exp(-u))`."""

    def __call__(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """The weights."""
        return 1 / (4 * jnp.cosh(u / 2) ** 2)


class Sigmoid(AbstractKernel):
    """`2 / (pi (exp(u) + exp(-u)))`."""

    def __call__(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """The weights."""
        return 1 / (jnp.pi * jnp.cosh(u))


class Silverman(AbstractKernel):
    """`exp(-|u| / sqrt 2) sin(|u| / sqrt 2 + pi/4) / 2`: the kernel that a smoothing spline amounts to."""

    def __call__(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """The weights, some of which are negative."""
        v = jnp.abs(u) / jnp.sqrt(2.0)
        return 0.5 * jnp.exp(-v) * jnp.sin(v + jnp.pi / 4)
