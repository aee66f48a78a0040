"""ChEES, MCLMC and SGLD against exact posteriors, each with its known bias."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from sciml_jax import inference
from sciml_jax.inference import InferenceStatus
from tests.inference.gaussian_target import assert_spread, gaussian_posterior, standard_errors


def test_chees_agrees_with_the_exact_posterior():
    draws = inference.chees(gaussian_posterior(), key=0, num_chains=32, num_warmup=300, num_samples=200)
    # Antithetic on Gaussians, so 6400 draws are worth about as many independent ones.
    assert np.all(standard_errors(draws, 3000) < 4)
    assert_spread(draws, 0.1)
    assert draws.positions.shape == (32, 200, 3)
    assert not np.any(draws.stats["diverging"])
    assert 0.4 < float(jnp.mean(draws.stats["acceptance_rate"])) < 1.0


@pytest.mark.full
def test_mclmc_agrees_with_the_exact_posterior():
    draws = inference.mclmc(gaussian_posterior(), key=0, num_samples=4000, num_warmup=2000)
    assert np.all(standard_errors(draws, 1500) < 4)
    assert_spread(draws, 0.12)
    assert draws.info["step_size"].shape == (4,)
    assert not np.any(draws.stats["diverging"])


def test_mclmc_needs_two_parameters():
    with pytest.raises(ValueError, match="at least 2 unconstrained"):
        inference.mclmc(inference.posterior({"x": dist.Normal(0.0, 1.0)}, lambda p: -(p["x"] ** 2)), key=0)


OBSERVED = 1.0 + jax.random.normal(jax.random.key(1), (200,))


def mean_posterior():
    """N(m, 1) observed 200 times: Gaussian with precision 200.25."""
    return inference.posterior(
        {"m": dist.Normal(0.0, 2.0)}, lambda p: jnp.sum(dist.Normal(p["m"], 1.0).log_prob(OBSERVED))
    )


def share(params, datum):
    return dist.Normal(params["m"], 1.0).log_prob(datum)


@pytest.mark.parametrize("step_size", [pytest.param(0.1, marks=pytest.mark.full), 0.5])
def test_with_full_gradients_sgld_has_the_variance_of_the_euler_scheme(step_size):
    draws = inference.sgld(mean_posterior(), key=0, step_size=step_size, num_samples=10_000, num_chains=8)
    exact = float(jnp.sum(OBSERVED)) / 200.25
    independent = 80_000 * step_size / 2
    assert abs(float(draws.mean()["m"]) - exact) * np.sqrt(200.25 * independent) < 4
    variance = float(jnp.var(draws.samples["m"])) * 200.25
    assert abs(variance - 1 / (1 - step_size / 2)) < 5 * np.sqrt(2 / independent) / (1 - step_size / 2)


@pytest.mark.full
def test_with_minibatches_and_control_variates_it_stays_so_and_without_the_noise_adds():
    exact = float(jnp.sum(OBSERVED)) / 200.25
    variances = {}
    for control_variates in (True, False):
        draws = inference.sgld(
            mean_posterior(),
            key=0,
            data=OBSERVED,
            log_likelihood=share,
            control_variates=control_variates,
            num_samples=8000,
        )
        assert abs(float(draws.mean()["m"]) - exact) * np.sqrt(200.25 * 800) < 4
        variances[control_variates] = float(jnp.var(draws.samples["m"])) * 200.25
    # A Gaussian's gradients differ by the same for all data, so control variates leave no noise at all.
    assert abs(variances[True] - 1 / (1 - 0.025)) < 0.2
    # Of 32 data scaled up: gradient variance 200^2 Var(y) / 32 / 200.25 in units of the posterior's.
    extra = 0.05 / 2 * 200**2 * float(jnp.var(OBSERVED)) / 32 / 200.25 / (1 - 0.025)
    assert abs(variances[False] - variances[True] - extra) < 0.12


def test_sgld_without_a_maximum_says_so():
    flat = inference.posterior({"x": dist.ImproperUniform(dist.constraints.real, (), ())}, lambda p: 0.001 * p["x"])
    draws = inference.sgld(flat, key=0, num_samples=5, num_warmup=1, init={"x": 0.0})
    assert int(draws.info["status"]) == InferenceStatus.NOT_A_MAXIMUM
    assert np.all(np.isnan(draws.positions))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": OBSERVED}, "belong together"),
        ({"log_likelihood": share}, "belong together"),
        ({"data": {"a": OBSERVED, "b": OBSERVED[:3]}, "log_likelihood": share}, "common leading axis"),
        (
            {"data": OBSERVED, "log_likelihood": lambda params, datum: 0.25 * share(params, datum)},
            "summed over `data`",
        ),
        ({"step_size": 2.5}, "step_size"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_wrong_options_of_sgld_are_refused_with_the_rule(options, words):
    with pytest.raises(ValueError, match=words):
        inference.sgld(mean_posterior(), key=0, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"num_chains": 1}, "at least 2"), ({"target_accept": 1.2}, "target_accept"), ({"step_size": 0.0}, "step_size")],
)
def test_wrong_options_of_chees_are_refused_with_the_rule(options, words):
    with pytest.raises(ValueError, match=words):
        inference.chees(gaussian_posterior(), key=0, **options)


def test_chains_refuse_a_start_without_density():
    post = inference.posterior({"x": dist.Normal(jnp.zeros(2), 1.0)}, lambda p: jnp.sum(jnp.log(p["x"])))
    with pytest.raises(ValueError, match="all starts must have a finite density"):
        inference.chees(post, key=0, num_chains=2, init={"x": jnp.array([[1.0, 1.0], [-1.0, 1.0]])})
