"""A conjugate model whose posterior, evidence and quantiles are known: normal prior, normal likelihood."""

import functools

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from sciml_jax import inference

COVARIANCE = jnp.array([[2.0, 0.6, 0.0], [0.6, 1.0, 0.3], [0.0, 0.3, 0.5]])
CENTRE = jnp.array([1.0, -2.0, 0.5])

PRECISION = jnp.linalg.inv(COVARIANCE) + jnp.eye(3)
POSTERIOR_COVARIANCE = jnp.linalg.inv(PRECISION)
POSTERIOR_MEAN = POSTERIOR_COVARIANCE @ jnp.linalg.solve(COVARIANCE, CENTRE)
LOG_EVIDENCE = float(dist.MultivariateNormal(0.0, COVARIANCE + jnp.eye(3)).log_prob(CENTRE))


def log_likelihood(params):
    """N(CENTRE; x, COVARIANCE)."""
    return dist.MultivariateNormal(params["x"], COVARIANCE).log_prob(CENTRE)


@functools.cache
def gaussian_posterior():
    """A posterior that is Gaussian, prior N(0, 1) in three dimensions; one object, hence compiled once per method."""
    return inference.posterior({"x": dist.Normal(jnp.zeros(3), 1.0)}, log_likelihood)


def standard_errors(draws, size=None):
    """How far the mean of draws is from the exact one, in standard errors of `size` independent draws."""
    flat = np.asarray(draws.samples["x"]).reshape(-1, 3)
    size = len(flat) if size is None else size
    return np.abs(flat.mean(axis=0) - POSTERIOR_MEAN) / np.sqrt(np.diag(POSTERIOR_COVARIANCE) / size)


def assert_spread(draws, rtol):
    """The covariance of draws is the exact one, entries relative to the standard deviations."""
    flat = np.asarray(draws.samples["x"]).reshape(-1, 3)
    scale = np.sqrt(np.diag(POSTERIOR_COVARIANCE))
    difference = (np.cov(flat.T) - POSTERIOR_COVARIANCE) / np.outer(scale, scale)
    assert np.max(np.abs(difference)) < rtol, difference
