"""Simulation-based calibration finds right samplers right and wrong ones wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from sciml_jax import inference


def model(scale=0.5):
    return inference.posterior(
        {"mu": dist.Normal(0.0, 1.0)}, inference.gaussian(lambda p: p["mu"] * jnp.ones(4), jnp.arange(4.0), scale=scale)
    )


def exact(factor):
    """The conjugate posterior, its standard deviation multiplied."""

    def sampler(post, key):
        precision = 1 + 4 / 0.25
        mean = jnp.sum(post.likelihood.data.ys) / 0.25 / precision
        noise = jax.random.normal(key, (1, 31, 1))
        return inference.Draws(post, mean + factor * noise / jnp.sqrt(precision), method="exact", correlated=False)

    return sampler


def test_exact_draws_have_uniform_ranks_and_narrow_ones_have_not():
    """The right posterior passes, one that is too narrow by a third does not."""
    run = lambda factor: inference.simulation_based_calibration(model(), exact(factor), num_simulations=400, key=0)
    right, narrow = run(1.0), run(0.67)
    assert right.p_values["mu"] > 0.01
    assert "uniform." in str(right)
    assert narrow.p_values["mu"] < 1e-6
    assert "WARNING" in str(narrow)
    assert right.ranks["mu"].shape == (400,)


def test_hmc_is_calibrated():
    """HMC under vmap over 200 simulated data sets has uniform ranks."""
    sampler = lambda post, key: inference.hmc(
        post, num_steps=5, num_warmup=100, num_samples=310, num_chains=1, key=key, init={"mu": 0.0}
    )
    found = inference.simulation_based_calibration(model(), sampler, num_simulations=200, key=1)
    assert found.num_failed == 0
    assert found.p_values["mu"] > 0.01


def test_bad_input_says_what_to_do():
    """Likelihoods that cannot simulate, and bins that do not divide the ranks."""
    plain = inference.posterior({"mu": dist.Normal(0.0, 1.0)}, lambda p: -(p["mu"] ** 2))
    with pytest.raises(TypeError, match="simulates data"):
        inference.simulation_based_calibration(plain, exact(1.0), key=0)
    with pytest.raises(ValueError, match="multiple"):
        inference.simulation_based_calibration(model(), exact(1.0), num_ranks=30, key=0)
    assert np.isfinite(model().log_density(jnp.zeros(1)))
