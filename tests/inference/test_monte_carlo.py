"""Monte Carlo on random programs against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import sciml_jax as sj
from sciml_jax import inference

TIMES = jnp.linspace(0.0, 1.0, 5)


def decay(params):
    """dy/dt = -k y from 1; the mean over k ~ Exponential(1) is 1 / (1 + t)."""
    problem = sj.ODEProblem(lambda t, y, k: -k * y, jnp.ones(()), 0.0, 1.0, params["k"])
    return sj.solve(problem, sj.Tsit5(), saveat=TIMES, rtol=1e-8, atol=1e-8)


def test_expectation_and_bands_of_a_random_decay_are_those_of_the_closed_form():
    found = inference.monte_carlo(decay, {"k": dist.Exponential(1.0)}, key=0, num_samples=2000, keep=True)
    exact = 1.0 / (1.0 + TIMES)
    assert np.all(np.abs(found.mean.ys - exact)[1:] < 4 * found.error.ys[1:])
    np.testing.assert_allclose(found.error.ys[-1], np.sqrt((1 / 3 - 1 / 4) / 2000), rtol=0.1)
    # Quantiles of exp(-k): U has its own.
    np.testing.assert_allclose(found.quantiles.ys[:, -1], [0.05, 0.5, 0.95], atol=4 * 0.5 / np.sqrt(2000))
    share, error = found.probability(lambda sol: sol.ys[-1] > 0.3)
    assert abs(share - 0.7) < 4 * error
    assert found.failures == ()


def test_without_keeping_the_statistics_are_the_same():
    priors = {"a": dist.Normal(0.0, 1.0), "b": lambda p: dist.Normal(p["a"], 0.5)}
    kept, streamed = (
        inference.monte_carlo(lambda p: p["b"], priors, key=1, num_samples=500, keep=keep, chunk_size=64)
        for keep in (True, False)
    )
    np.testing.assert_allclose(kept.mean, streamed.mean, rtol=1e-10)
    np.testing.assert_allclose(kept.variance, streamed.variance, rtol=1e-10)
    np.testing.assert_allclose(kept.quantiles, streamed.quantiles, rtol=1e-10)
    assert abs(float(kept.variance) - 1.25) < 4 * 1.25 * np.sqrt(2 / 500)
    with pytest.raises(ValueError, match="keep=True"):
        streamed.probability(lambda b: b > 0)


def test_a_random_program_gets_its_own_key_and_failures_are_left_out():
    def walk(params, key):
        end = params + jax.random.normal(key)
        return jnp.where(end > 2.0, jnp.nan, end)

    found = inference.monte_carlo(walk, lambda key: jax.random.normal(key), key=0, num_samples=1000, pass_key=True)
    beyond = 1 - float(dist.Normal(0.0, np.sqrt(2.0)).cdf(2.0))
    assert abs(len(found.failures) - 1000 * beyond) < 4 * np.sqrt(1000 * beyond)
    assert np.isfinite(found.mean)


def test_draws_and_posteriors_are_sources_too():
    post = inference.posterior({"x": dist.Normal(0.0, 1.0)}, lambda p: -(p["x"] ** 2))
    draws = inference.Draws(post, jnp.full((2, 5, 1), 3.0), method="given")
    picked = inference.monte_carlo(lambda p: p["x"], draws, key=0, num_samples=20)
    np.testing.assert_allclose(picked.mean, 3.0, rtol=1e-12)
    prior = inference.monte_carlo(lambda p: p["x"], post, key=0, num_samples=400)
    assert abs(float(prior.mean)) < 4 / np.sqrt(400)


@pytest.mark.parametrize(
    ("params", "options", "error", "words"),
    [
        (3.0, {}, TypeError, "NumPyro distributions by name"),
        ({"k": 1.0}, {}, TypeError, "NumPyro distribution"),
        ({"k": dist.Exponential(1.0)}, {"num_samples": 0}, ValueError, "num_samples"),
        ({"k": dist.Exponential(1.0)}, {"levels": (0.5, 1.5)}, ValueError, "1.5"),
        ({"k": dist.Exponential(1.0)}, {"key": None}, ValueError, "key"),
    ],
)
def test_wrong_arguments_are_refused_with_the_rule(params, options, error, words):
    with pytest.raises(error, match=words):
        inference.monte_carlo(decay, params, **({"key": 0} | options))
