"""What an estimation returns."""

from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from .quantiles import normal_quantile, student_t_quantile
from .status import EstimationStatus


class Starts(eqx.Module):
    """How all starts ended, best first."""

    params: PyTree
    """Where each ended, leaves (S, ...)."""
    cost: Float[Array, " starts"]
    """Half the sum of squared scaled residuals there; infinite where the model could not be solved at the start."""
    status: Int[Array, " starts"]
    """How the minimiser ended, a `sj.training.LeastSquaresStatus` each."""
    num_steps: Int[Array, " starts"]
    """Its iterations."""

    def num_best(self, rtol: float = 1e-3) -> Any:
        """How many came to the best cost, to within a relative difference of `rtol`."""
        return jnp.sum(self.cost <= (1 + rtol) * self.cost[0] + jnp.finfo(self.cost.dtype).tiny)


class Estimate(eqx.Module):
    """Estimated parameters with their uncertainty.

    Vectors and matrices count the float leaves of `params` in flattened order (then those of `y0`): see `names`. P is
    their number, M that of measured values.
    """

    params: PyTree
    """The estimates: like `problem.args`, or like what the model takes."""
    standard_errors: PyTree
    """Of `params`, like them; infinite where the data do not determine a parameter."""
    covariance: Float[Array, "params params"]
    """Of all estimated numbers, to first order: the variance of the noise times `(J' J)^-1`."""
    identifiable: Bool[Array, " params"]
    """Which numbers the data determine, locally."""
    at_bound: Bool[Array, " params"]
    """Which are held by a bound. Their standard errors are those without bounds and say little."""
    cost: Float[Array, ""]
    """Half the sum of squared scaled residuals, priors and penalties included."""
    residuals: Any
    """`(prediction - measured) / noise`, shape (E, T, C); 0 where nothing was measured."""
    predictions: Any
    """At the times of the data, shape (E, T, C)."""
    jacobian: Float[Array, "residuals params"]
    """Derivatives of all scaled residuals, those of priors and penalties last."""
    singular_values: Float[Array, " params"]
    """Of the Jacobian with columns of unit length."""
    sigma: Float[Array, ""]
    """The estimated standard deviation of the scaled residuals: of the noise where that was not given, about 1 where
    it was and the model fits."""
    num_data: Any
    """M."""
    starts: Starts
    """All starts, best first."""
    y0: PyTree
    """The estimated initial states, leaves (E, ...), with `unknown_y0`; otherwise None."""
    standard_errors_y0: PyTree
    """Their standard errors."""
    code: Int[Array, ""]
    """`status` as an integer array."""
    flat: Float[Array, " params"]
    """All estimated numbers."""
    lower: Float[Array, " params"]
    """Their bounds."""
    upper: Float[Array, " params"]
    """Upper bounds."""
    log_noise: Float[Array, ""]
    """Sum of the logarithms of the given noise."""
    noise_is_known: bool = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)

    @property
    def status(self) -> Any:
        """An `EstimationStatus`; the integer array under `jit` and `vmap`."""
        concrete = not isinstance(self.code, jax.core.Tracer) and np.ndim(self.code) == 0
        return EstimationStatus(int(self.code)) if concrete else self.code

    @property
    def degrees_of_freedom(self) -> Any:
        """M - P."""
        return self.num_data - self.flat.shape[-1]

    @property
    def correlation(self) -> Float[Array, "params params"]:
        """Of the estimates; NaN for parameters that are not identifiable."""
        deviation = jnp.sqrt(jnp.diag(self.covariance))
        return self.covariance / (deviation[:, None] * deviation[None, :])

    def intervals(self, level: float = 0.95) -> tuple[PyTree, PyTree]:
        """Lower and upper ends of confidence intervals for `params`, to first order, ignoring the bounds.

        Student's t with M - P degrees of freedom where the noise was estimated, the normal distribution where it was
        given. For strongly nonlinear models see `profile_likelihood`.

        Parameters
        ----------
        level
            Between 0 and 1: the share of repeated experiments whose interval holds the true value.
        """
        if not 0 < level < 1:
            msg = f"`level` must be between 0 and 1; got {level}. Pass 0.95 for 95 %."
            raise ValueError(msg)
        probability = jnp.asarray(0.5 + level / 2, self.flat.dtype)
        known = self.noise_is_known
        degrees = jnp.asarray(self.degrees_of_freedom, self.flat.dtype)
        factor = normal_quantile(probability) if known else student_t_quantile(probability, degrees)
        move = lambda sign: lambda x, error: x + sign * factor * error
        numbers = eqx.filter(self.params, lambda leaf: jnp.issubdtype(getattr(leaf, "dtype", int), jnp.floating))
        return tuple(jax.tree.map(move(sign), numbers, self.standard_errors) for sign in (-1, 1))  # type: ignore

    @property
    def chi_square(self) -> Float[Array, ""]:
        """Sum of squared scaled residuals of the data."""
        return jnp.sum(self.residuals**2)

    @property
    def log_likelihood(self) -> Float[Array, ""]:
        """Of the data, for normal noise; at the most likely variance where that was not given."""
        if self.noise_is_known:
            return -0.5 * (self.chi_square + self.num_data * jnp.log(2 * jnp.pi)) - self.log_noise
        return -0.5 * self.num_data * (jnp.log(2 * jnp.pi * self.chi_square / self.num_data) + 1)

    @property
    def num_estimated(self) -> int:
        """P, and one more for the variance of the noise where that was not given."""
        return self.flat.shape[-1] + (not self.noise_is_known)

    @property
    def aic(self) -> Float[Array, ""]:
        """Akaike's criterion, `2 P - 2 log L`; smaller is better, on the same data."""
        return 2 * self.num_estimated - 2 * self.log_likelihood

    @property
    def bic(self) -> Float[Array, ""]:
        """Schwarz's criterion, `P log M - 2 log L`."""
        return self.num_estimated * jnp.log(self.num_data) - 2 * self.log_likelihood

    def diagnostics(self) -> dict[str, Array]:
        """What the residuals say about the model: see `residual_diagnostics`."""
        from .residual_diagnostics import residual_diagnostics

        return residual_diagnostics(self)

    def summary(self) -> str:
        """Estimates, errors, status and remedies in words; for concrete results."""
        from .summary import summary

        return summary(self)

    def waterfall(self, ax: Any = None) -> Any:
        """A picture of the costs of all starts in order: see `waterfall`."""
        from .waterfall import waterfall

        return waterfall(self, ax)

    def __repr__(self) -> str:
        status = self.status
        name = status.name if isinstance(status, EstimationStatus) else "traced"
        return f"Estimate(status={name}, params={len(self.names)}, starts={self.starts.cost.shape[-1]})"
