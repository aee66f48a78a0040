"""The most probable parameters, by L-BFGS from several starts."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from ..equations.keys import as_key
from ..training.checks import as_count
from .ascent import Ascent, ascend
from .compiled import compiled
from .inference_status import InferenceStatus
from .posterior import Posterior
from .starting_points import check_positive, check_posterior, starting_points


class MapEstimate(eqx.Module):
    """What `map_estimate` returns.

    Attributes
    ----------
    params
        The most probable parameters, nested as the priors.
    position
        The same on the unconstrained space, (dim,).
    log_density
        The maximum, shape (): of the density of the parameters, or of the position with `jacobian=True`.
    status
        `InferenceStatus` code of the best start, shape ().
    hessian
        Of minus the log density by the position, (dim, dim); None unless asked for. Its inverse is the covariance of
        the Gaussian there.
    std
        Standard deviations of the parameters by that Gaussian, nested as the priors; NaN where the Hessian is not
        positive definite. None without `hessian=True`.
    starts
        Of every start its `position`, `log_density`, `status` and `num_steps`, leaves (num_starts, ...): equal maxima
        say that the mode is unique as far as one can see.
    """

    params: PyTree
    position: Float[Array, " dim"]
    log_density: Float[Array, ""]
    status: Int[Array, ""]
    hessian: Float[Array, "dim dim"] | None
    std: PyTree | None
    starts: dict

    @property
    def message(self) -> str:
        """The status in words; not for traced results."""
        return str(InferenceStatus(int(self.status)))


def map_estimate(
    posterior: Posterior,
    *,
    key: Any,
    num_starts: int = 8,
    init: Any = None,
    jacobian: bool = False,
    hessian: bool = False,
    max_steps: int = 500,
    rtol: float | None = None,
    gtol: float = 1e-8,
) -> MapEstimate:
    r"""Maximise $\log \ell(\theta) + \log \pi(\theta)$, by L-BFGS on the unconstrained space from several starts.

    With `jacobian=True` the density of the unconstrained vector $u$ is maximised, which has the additional term
    $\log|\det \partial\theta/\partial u|$; its mode is another one, and the one that `laplace` expands about.

    Parameters
    ----------
    posterior
        A `Posterior`.
    key
        Integer seed or PRNG key, for the starts.
    num_starts
        Searches, run side by side; the best end is returned. Each starts from the likeliest of eight prior draws.
    init
        Starts instead of those: parameters (one, or with a leading axis of `num_starts`), or positions.
    jacobian
        Which of the two densities.
    hessian
        Whether to compute the Hessian and the standard deviations from it, at the price of about `dim` gradients.
    max_steps
        Steps of each search.
    rtol
        A search ends when three steps in a row change the log density by less than this fraction. None: four
        units of rounding.
    gtol
        It ends as well when no entry of the gradient is larger.

    Returns
    -------
    A `MapEstimate`. A search that fails is a status (`result.message`) and not an error.

    Raises
    ------
    TypeError, ValueError
        For what is no posterior, starts of wrong names or shapes or without a finite density, counts and tolerances
        that are not positive.

    Notes
    -----
    Each step costs one to a few densities with gradients, for all starts at once until the slowest is done. Works under
    `jit` and `vmap`; not differentiable. A mode says nothing about the mass around it: in hierarchical models it can
    sit in a corner without any, where scales vanish.

    References
    ----------
    Nocedal & Wright, Numerical Optimization (2006), chapter 7.
    """
    check_posterior(posterior, "map_estimate")
    key = as_key(key, "map_estimate")
    num_starts, max_steps = as_count(num_starts, "num_starts"), as_count(max_steps, "max_steps")
    check_positive(gtol, "gtol")
    if rtol is not None:
        check_positive(rtol, "rtol")
    starts = starting_points(posterior, key, num_starts, init)
    return _search(posterior, starts, jacobian, hessian, max_steps, rtol, gtol)


def target_density(posterior: Posterior, position: Array, jacobian: bool) -> Array:
    """The log density of the position, or, without the Jacobian, of its parameters."""
    if jacobian:
        return posterior.log_density(position)
    return posterior.log_prior(posterior.constrain(position)) + posterior.log_likelihood_at(position)


def minus_hessian(posterior: Posterior, position: Array, jacobian: bool) -> Array:
    """The Hessian of minus the log density, symmetric."""
    found = -jax.jacfwd(jax.grad(lambda u: target_density(posterior, u, jacobian)))(position)
    return 0.5 * (found + found.T)


@compiled
def _search(posterior, starts, jacobian, hessian, max_steps, rtol, gtol) -> MapEstimate:
    rtol = 4 * jnp.finfo(starts.dtype).eps if rtol is None else rtol
    found = jax.vmap(
        lambda u: ascend(lambda v: target_density(posterior, v, jacobian), u, max_steps=max_steps, rtol=rtol, gtol=gtol)
    )(starts)
    value = jnp.where(found.status == int(InferenceStatus.NON_FINITE_START), -jnp.inf, found.log_density)
    best = jax.tree.map(lambda leaf: leaf[jnp.argmax(value)], found)
    status = jnp.where(_is_flat(posterior, starts), int(InferenceStatus.FLAT), best.status).astype(jnp.int32)
    matrix = std = None
    if hessian:
        matrix = minus_hessian(posterior, best.position, jacobian)
        std = _deviations(posterior, best, matrix)
    names = ("position", "log_density", "status", "num_steps")
    return MapEstimate(
        params=posterior.constrain(best.position),
        position=best.position,
        log_density=best.log_density,
        status=status,
        hessian=matrix,
        std=std,
        starts={name: getattr(found, name) for name in names},
    )


def _deviations(posterior: Posterior, best: Ascent, matrix: Array) -> PyTree:
    """Standard deviations of the parameters to first order: the Gaussian's, through the derivative of `constrain`."""
    covariance = jnp.linalg.inv(matrix)
    definite = jnp.all(jnp.linalg.eigvalsh(matrix) > 0)

    def deviation(slope):
        variance = jnp.einsum("...i,ij,...j->...", slope, covariance, slope)
        return jnp.where(definite, jnp.sqrt(jnp.maximum(variance, 0.0)), jnp.nan)

    return jax.tree.map(deviation, jax.jacfwd(posterior.constrain)(best.position))


def _is_flat(posterior: Posterior, starts: Array) -> Array:
    """Whether the likelihood is finite, the same at every start, and without a gradient there."""
    value, gradient = jax.vmap(jax.value_and_grad(posterior.log_likelihood_at))(starts)
    return jnp.all(jnp.isfinite(value)) & jnp.all(value == value[0]) & jnp.all(gradient == 0.0)
