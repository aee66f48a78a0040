"""Laplace, ADVI and Pathfinder: exact where the posterior is Gaussian, and honest where it is not."""

import functools
import importlib
import types

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from sciml_jax import inference
from sciml_jax.inference import InferenceStatus
from sciml_jax.inference.run_advice import run_advice
from sciml_jax.training import FitStatus
from tests.inference.gaussian_target import (
    LOG_EVIDENCE,
    POSTERIOR_COVARIANCE,
    POSTERIOR_MEAN,
    PRECISION,
    assert_spread,
    gaussian_posterior,
    standard_errors,
)

advi_module = importlib.import_module("sciml_jax.inference.advi")


@functools.cache
def gamma_posterior():
    """Gamma(6, 4) from a Gamma(3, 2) prior: skewed, but normal enough in the logarithm."""
    return inference.posterior({"x": dist.Gamma(3.0, 2.0)}, lambda p: 3.0 * jnp.log(p["x"]) - 2.0 * p["x"])


def test_laplace_is_exact_for_a_gaussian_posterior():
    draws = inference.laplace(gaussian_posterior(), key=0, num_samples=4000)
    np.testing.assert_allclose(draws.info["log_evidence"], LOG_EVIDENCE, rtol=1e-10)
    np.testing.assert_allclose(draws.info["covariance"], POSTERIOR_COVARIANCE, rtol=1e-9, atol=1e-9)
    assert np.all(standard_errors(draws) < 4)
    assert_spread(draws, 0.1)
    assert draws.info["pareto_k"] < 0.5
    assert run_advice(draws) == []


def test_laplace_maps_its_draws_into_the_supports():
    draws = inference.laplace(gamma_posterior(), key=0, num_samples=500, num_starts=2)
    assert np.all(np.asarray(draws.samples["x"]) > 0)
    # Of log x under Gamma(a, b): mode log(a/b), curvature a.
    np.testing.assert_allclose(draws.info["mode"], np.log(6.0 / 4.0), rtol=1e-7)
    np.testing.assert_allclose(draws.info["hessian"], 6.0, rtol=1e-6)


def test_laplace_without_a_maximum_says_so_and_draws_nothing():
    flat = inference.posterior(
        {"x": dist.ImproperUniform(dist.constraints.real, (), (2,))},
        lambda p: -((p["x"][0] - 1.0) ** 2) + 0 * p["x"][1],
    )
    draws = inference.laplace(flat, key=0, num_samples=10, num_starts=2)
    assert int(draws.info["status"]) == InferenceStatus.NOT_A_MAXIMUM
    assert np.all(np.isnan(draws.positions))
    assert any("not positive definite" in line for line in run_advice(draws))


def test_mean_field_variances_are_the_inverse_diagonal_of_the_precision():
    draws = inference.advi(gaussian_posterior(), key=0)
    np.testing.assert_allclose(draws.info["variance"], 1.0 / jnp.diag(PRECISION), rtol=0.03)
    np.testing.assert_allclose(draws.info["mean"], POSTERIOR_MEAN, atol=0.02)
    divergence = 0.5 * (jnp.sum(jnp.log(jnp.diag(PRECISION))) - jnp.linalg.slogdet(PRECISION)[1])
    error = 4 * draws.info["elbo_error"] + 1e-3
    np.testing.assert_allclose(draws.info["elbo_final"], LOG_EVIDENCE - divergence, atol=error)
    assert InferenceStatus(int(draws.info["status"])).is_success
    assert draws.info["elbo"].shape == (2000,)


def test_full_rank_is_exact_for_a_gaussian_posterior():
    draws = inference.advi(gaussian_posterior(), key=1, family=inference.FullRank(), num_steps=1000)
    np.testing.assert_allclose(draws.info["covariance"], POSTERIOR_COVARIANCE, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(draws.info["mean"], POSTERIOR_MEAN, atol=1e-3)
    np.testing.assert_allclose(draws.info["elbo_final"], LOG_EVIDENCE, atol=1e-4)
    assert np.all(standard_errors(draws) < 4)


@pytest.mark.full
def test_low_rank_finds_a_covariance_with_one_strong_direction():
    direction = jnp.array([1.0, -2.0, 1.5, 0.5])
    exact = jnp.diag(jnp.array([1.0, 0.5, 0.8, 2.0])) + jnp.outer(direction, direction)
    post = inference.posterior(
        {"x": dist.ImproperUniform(dist.constraints.real, (), (4,))},
        lambda p: dist.MultivariateNormal(jnp.arange(4.0), exact).log_prob(p["x"]),
    )
    draws = inference.advi(post, key=0, family=inference.LowRank(1), num_steps=3000)
    scale = np.sqrt(np.diag(exact))
    assert np.max(np.abs(draws.info["covariance"] - exact) / np.outer(scale, scale)) < 0.05
    np.testing.assert_allclose(draws.info["elbo_final"], 0.0, atol=0.01)


def test_the_families_densities_are_those_of_their_moments():
    key = jax.random.key(0)
    for family in (inference.MeanField(), inference.FullRank(), inference.LowRank(2)):
        params = jax.tree.map(
            lambda leaf: leaf + 0.3 * jax.random.normal(key, leaf.shape), family.start(3, jnp.float64)
        )
        mean, covariance = family.moments(params)
        found = family.draw(params, key, 20_000)
        np.testing.assert_allclose(np.cov(found.T), covariance, atol=0.06 * float(jnp.max(covariance)))
        exact = dist.MultivariateNormal(mean, covariance).log_prob(found[:5])
        np.testing.assert_allclose(family.log_prob(params, found[:5]), exact, rtol=1e-9)


@pytest.mark.parametrize(
    ("losses", "ended", "status"),
    [
        (np.linspace(10.0, 0.0, 100), FitStatus.COMPLETED, InferenceStatus.BOUND_NOT_CONVERGED),
        (3.0 + 0.1 * np.sin(np.arange(100.0)), FitStatus.COMPLETED, InferenceStatus.CONVERGED),
        (np.full(100, np.nan), FitStatus.NON_FINITE_LOSS, InferenceStatus.NON_FINITE),
    ],
)
def test_the_status_says_whether_the_bound_rests(losses, ended, status):
    fitted = types.SimpleNamespace(losses=jnp.asarray(losses), status=int(ended))
    assert int(advi_module._status(fitted, 0.05)) == status


def test_pathfinder_is_exact_for_a_gaussian_posterior():
    draws = inference.pathfinder(gaussian_posterior(), key=0, num_samples=2000)
    assert np.all(standard_errors(draws) < 5)
    assert_spread(draws, 0.15)
    np.testing.assert_allclose(draws.info["log_evidence"], LOG_EVIDENCE, atol=0.05)
    assert draws.info["pareto_k"] < 0.7


@pytest.mark.full
def test_pathfinder_without_weights_keeps_the_paths_as_chains():
    draws = inference.pathfinder(gamma_posterior(), key=0, num_paths=3, num_samples=50, resample=False)
    assert draws.positions.shape == (3, 50, 1)
    assert draws.info["elbo"].shape == (3,)


@pytest.mark.full
def test_a_bad_approximation_is_said_to_be_bad():
    post = inference.posterior({"x": dist.StudentT(1.0, 0.0, 1.0)}, lambda p: dist.Cauchy(p["x"], 1.0).log_prob(6.0))
    draws = inference.laplace(post, key=0, num_samples=4000, num_starts=4)
    assert draws.info["pareto_k"] > 0.7
    assert any("Pareto" in line for line in run_advice(draws))


@pytest.mark.parametrize(
    ("method", "options", "error", "words"),
    [
        (inference.advi, {"family": inference.FullRank}, TypeError, "Call it"),
        (inference.advi, {"family": "fullrank"}, TypeError, "FullRank"),
        (inference.advi, {"learning_rate": -1.0}, ValueError, "learning_rate"),
        (inference.advi, {"num_steps": 0}, ValueError, "num_steps"),
        (inference.pathfinder, {"num_paths": 0}, ValueError, "num_paths"),
        (inference.pathfinder, {"key": None}, ValueError, "key"),
        (inference.laplace, {"num_samples": 0}, ValueError, "num_samples"),
    ],
)
def test_wrong_options_are_refused_with_the_rule(method, options, error, words):
    with pytest.raises(error, match=words):
        method(gaussian_posterior(), **({"key": 0} | options))


def test_a_rank_must_be_positive():
    with pytest.raises(ValueError, match="rank"):
        inference.LowRank(0)
