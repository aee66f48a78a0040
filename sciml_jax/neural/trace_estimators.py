"""The trace of a Jacobian: exact, or estimated by random vectors."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .network_checks import as_count


class AbstractTrace(eqx.Module):
    """How `FFJORD` takes `tr(df/dz)`."""

    needs_key: eqx.AbstractClassVar[bool]
    """Whether the probes are random."""

    @abc.abstractmethod
    def probes(self, key: Any, z: Float[Array, " n"]) -> Float[Array, "k n"]:
        """The vectors that the Jacobian is applied to; they stay the same during a solve."""

    @abc.abstractmethod
    def weight(self, probes: Float[Array, "k n"]) -> float:
        """The factor of the sum over the probes."""

    def evaluate(self, field: Callable, z: Float[Array, " n"], probes: Float[Array, "k n"]) -> tuple:
        """`f(z)`, `tr(df/dz)` and the squared Frobenius norm of `df/dz`, the latter two exact or estimated."""
        value, products = jax.vmap(lambda probe: jax.jvp(field, (z,), (probe,)), out_axes=(None, 0))(probes)
        weight = self.weight(probes)
        return value, weight * jnp.sum(probes * products), weight * jnp.sum(products**2)


class ExactTrace(AbstractTrace):
    """The trace from all n columns: exact, n Jacobian-vector products per evaluation. For n up to about ten."""

    needs_key: ClassVar[bool] = False

    def probes(self, key: Any, z: Float[Array, " n"]) -> Float[Array, "k n"]:
        """The unit vectors."""
        del key
        return jnp.eye(z.shape[0], dtype=z.dtype)

    def weight(self, probes: Float[Array, "k n"]) -> float:
        """1."""
        del probes
        return 1.0


class Hutchinson(AbstractTrace):
    """The estimate `mean of v' (df/dz) v` over random vectors v, one set for the whole solve: unbiased.

    Parameters
    ----------
    samples
        How many vectors; the variance falls with their number.
    gaussian
        Normal vectors instead of signs. Signs have the smaller variance: none from the diagonal.

    References
    ----------
    Hutchinson, A stochastic estimator of the trace of the influence matrix for Laplacian smoothing splines,
    Communications in Statistics 18 (1989) 1059-1076.
    """

    samples: int = eqx.field(static=True, default=1, converter=lambda value: as_count(value, "samples"))
    gaussian: bool = eqx.field(static=True, default=False)

    needs_key: ClassVar[bool] = True

    def probes(self, key: Any, z: Float[Array, " n"]) -> Float[Array, "k n"]:
        """Random vectors of mean 0 and covariance 1."""
        shape = (self.samples, z.shape[0])
        if self.gaussian:
            return jax.random.normal(key, shape, z.dtype)
        return jax.random.rademacher(key, shape).astype(z.dtype)

    def weight(self, probes: Float[Array, "k n"]) -> float:
        """One over their number."""
        return 1.0 / probes.shape[0]
