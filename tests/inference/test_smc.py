"""Tempered particles: exact posteriors and evidences, several modes, and likelihoods that fail."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.stats import norm

from sciml_jax import inference
from sciml_jax.inference import InferenceStatus
from sciml_jax.inference.run_advice import run_advice
from tests.inference.gaussian_target import LOG_EVIDENCE, assert_spread, gaussian_posterior, standard_errors


def test_posterior_and_evidence_of_a_conjugate_model_are_exact():
    post = gaussian_posterior()
    runs = [inference.smc(post, key=seed, num_particles=1000) for seed in range(8)]
    evidence = np.array([float(draws.info["log_evidence"]) for draws in runs])
    error = evidence.std(ddof=1) / np.sqrt(len(runs))
    assert error < 0.03
    assert abs(evidence.mean() - LOG_EVIDENCE) < 4 * error
    assert np.all(standard_errors(runs[0], 500) < 4)
    assert_spread(runs[0], 0.2)
    assert runs[0].positions.shape == (1, 1000, 3)
    assert InferenceStatus(int(runs[0].info["status"])).is_success
    np.testing.assert_allclose(runs[0].info["tempering"][int(runs[0].info["num_stages"]) - 1], 1.0)


@pytest.mark.full
def test_modes_keep_the_mass_that_they_deserve():
    def two(p):
        left, right = dist.Normal(-4.0, 0.5).log_prob(p["x"]), dist.Normal(4.0, 0.5).log_prob(p["x"])
        return jnp.logaddexp(jnp.log(0.3) + left, jnp.log(0.7) + right)

    post = inference.posterior({"x": dist.Uniform(-10.0, 10.0)}, two)
    share = [float(np.mean(np.asarray(inference.smc(post, key=seed).samples["x"]) > 0)) for seed in range(4)]
    assert abs(np.mean(share) - 0.7) < 0.06


def test_where_the_likelihood_fails_the_mass_is_none_and_the_evidence_counts_it():
    def half(p):
        return jnp.where(p["x"] < 0.0, jnp.nan, -0.5 * (p["x"] - 1.0) ** 2)

    post = inference.posterior({"x": dist.Normal(0.0, 1.0)}, half)
    runs = [inference.smc(post, key=seed) for seed in range(6)]
    # The integral of N(x; 0, 1) exp(-(x-1)^2/2) over x > 0.
    exact = np.log(np.exp(-0.25) / np.sqrt(2.0) * norm.cdf(0.5 * np.sqrt(2.0)))
    evidence = np.array([float(draws.info["log_evidence"]) for draws in runs])
    assert abs(evidence.mean() - exact) < 4 * max(evidence.std(ddof=1) / np.sqrt(6), 0.01)
    assert min(float(jnp.min(draws.samples["x"])) for draws in runs) > 0
    assert 0.4 < float(runs[0].info["prior_failed"]) < 0.6
    assert "could not be evaluated" in run_advice(runs[0])[0]


def test_too_few_stages_and_no_particle_are_statuses_in_words():
    draws = inference.smc(gaussian_posterior(), key=0, num_particles=100, max_stages=1, num_moves=2)
    assert int(draws.info["status"]) == InferenceStatus.TEMPERING_UNFINISHED
    post = inference.posterior({"x": dist.Normal(0.0, 1.0)}, lambda p: p["x"] * jnp.nan)
    draws = inference.smc(post, key=0, num_particles=50)
    assert int(draws.info["status"]) == InferenceStatus.NO_PARTICLE
    assert np.isneginf(draws.info["log_evidence"])


@pytest.mark.full
def test_it_maps_over_seeds_under_vmap_and_jit():
    post = gaussian_posterior()
    evidence = jax.jit(jax.vmap(lambda s: inference.smc(post, key=s, num_particles=200).info["log_evidence"]))(
        jnp.arange(16)
    )
    assert abs(float(evidence.mean()) - LOG_EVIDENCE) < 4 * float(evidence.std()) / 4 + 0.02


@pytest.mark.parametrize(
    ("options", "words"),
    [({"target_ess": 1.0}, "target_ess"), ({"num_particles": 0}, "num_particles"), ({"num_moves": 0}, "num_moves")],
)
def test_wrong_options_are_refused_with_the_rule(options, words):
    with pytest.raises(ValueError, match=words):
        inference.smc(gaussian_posterior(), key=0, **options)
