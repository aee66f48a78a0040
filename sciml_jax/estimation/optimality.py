"""What makes an experiment a good one."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class AbstractCriterion(eqx.Module):
    """A concave function of the Fisher information; larger is better."""

    def __call__(self, information: Float[Array, "params params"]) -> Float[Array, ""]:
        """Its value; minus infinity for a singular information."""
        raise NotImplementedError

    @property
    def power(self) -> float:
        """Exponent with which `optimal_weights` moves weights by their gains."""
        raise NotImplementedError


class DOptimal(AbstractCriterion):
    """`log det F`: the volume of the confidence ellipsoid. Does not depend on the units of the parameters."""

    def __call__(self, information: Float[Array, "params params"]) -> Float[Array, ""]:
        """See `AbstractCriterion`."""
        sign, value = jnp.linalg.slogdet(information)
        return jnp.where(sign > 0, value, -jnp.inf)

    @property
    def power(self) -> float:
        """See `AbstractCriterion`."""
        return 1.0


class AOptimal(AbstractCriterion):
    """`-sum_i w_i (F^-1)_ii`: the sum of the variances, each with its weight.

    Parameters
    ----------
    weights
        Shape (P,); `1 / params**2` for relative errors. None: all 1, in the units of the parameters.
    """

    weights: Float[Array, " params"] | None = None

    def __call__(self, information: Float[Array, "params params"]) -> Float[Array, ""]:
        """See `AbstractCriterion`."""
        variances = jnp.diag(jnp.linalg.inv(information))
        value = -jnp.sum(variances if self.weights is None else self.weights * variances)
        return jnp.where(jnp.isfinite(value) & jnp.all(variances > 0), value, -jnp.inf)

    @property
    def power(self) -> float:
        """See `AbstractCriterion`."""
        return 0.5
