"""The mode: exact for Gaussian and gamma posteriors, in both spaces, with its status in words."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from sciml_jax import inference
from sciml_jax.inference import InferenceStatus
from tests.inference.gaussian_target import POSTERIOR_COVARIANCE, POSTERIOR_MEAN, PRECISION, gaussian_posterior


def test_of_a_gaussian_posterior_mode_hessian_and_deviations_are_exact():
    found = inference.map_estimate(gaussian_posterior(), key=0, num_starts=2, hessian=True)
    assert InferenceStatus(int(found.status)).is_success, found.message
    np.testing.assert_allclose(found.params["x"], POSTERIOR_MEAN, atol=1e-7)
    np.testing.assert_allclose(found.hessian, PRECISION, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.std["x"], jnp.sqrt(jnp.diag(POSTERIOR_COVARIANCE)), rtol=1e-9)
    np.testing.assert_allclose(found.starts["log_density"], found.log_density, rtol=1e-9)


@pytest.mark.parametrize(("jacobian", "mode"), [(False, 2.0 / 3.0), (True, 1.0)])
def test_with_and_without_the_jacobian_the_mode_of_a_gamma_density_is_the_known_one(jacobian, mode):
    post = inference.posterior({"x": dist.Gamma(3.0, 2.0)}, lambda p: -p["x"])
    found = inference.map_estimate(post, key=0, num_starts=2, jacobian=jacobian)
    np.testing.assert_allclose(found.params["x"], mode, rtol=1e-7)


def test_of_several_modes_the_highest_is_returned():
    def two(p):
        return jnp.logaddexp(dist.Normal(-3.0, 0.5).log_prob(p["x"]), 1.0 + dist.Normal(3.0, 0.5).log_prob(p["x"]))

    post = inference.posterior({"x": dist.Uniform(-6.0, 6.0)}, two)
    init = {"x": jnp.array([-4.0, 4.0])}
    found = inference.map_estimate(post, key=0, num_starts=2, init=init)
    np.testing.assert_allclose(found.params["x"], 3.0, atol=1e-3)
    np.testing.assert_allclose(found.starts["log_density"][1] - found.starts["log_density"][0], 1.0, rtol=1e-6)


def test_it_maps_over_data_sets_under_vmap_and_jit():
    def mode(shift):
        post = inference.posterior({"x": dist.Normal(0.0, 1.0)}, lambda p: dist.Normal(p["x"], 0.5).log_prob(shift))
        return inference.map_estimate(post, key=0, num_starts=1).params["x"]

    shifts = jnp.array([-1.0, 0.5, 2.0])
    np.testing.assert_allclose(jax.jit(jax.vmap(mode))(shifts), 0.8 * shifts, rtol=1e-6, atol=1e-9)


def test_what_its_functions_read_from_outside_is_read_again():
    outside = {"y": np.array(1.0)}
    target = outside["y"]

    def fit(p):
        return dist.Normal(p["x"], 1.0).log_prob(target)

    post = inference.posterior({"x": dist.Normal(0.0, 1.0)}, fit)
    first = inference.map_estimate(post, key=0, num_starts=1).params["x"]
    target = np.array(3.0)
    second = inference.map_estimate(post, key=0, num_starts=1).params["x"]
    np.testing.assert_allclose([first, second], [0.5, 1.5], rtol=1e-6)


def test_a_likelihood_that_does_not_change_is_a_status_in_words():
    post = inference.posterior({"x": dist.Normal(0.0, 1.0)}, lambda p: jnp.where(p["x"] > 1e9, 0.0, -1.0))
    found = inference.map_estimate(post, key=0, num_starts=2)
    assert int(found.status) == InferenceStatus.FLAT
    assert "does not change" in found.message


def test_too_few_steps_are_a_status_in_words():
    found = inference.map_estimate(gaussian_posterior(), key=0, num_starts=1, init={"x": jnp.full(3, 5.0)}, max_steps=1)
    assert int(found.status) == InferenceStatus.MAX_STEPS
    assert "max_steps" in found.message


def test_under_jit_a_start_without_density_is_a_status():
    post = inference.posterior({"x": dist.Normal(0.0, 1.0)}, lambda p: p["x"] * jnp.nan, check=False)
    status = jax.jit(lambda seed: inference.map_estimate(post, key=seed, num_starts=2).status)(0)
    assert int(status) == InferenceStatus.NON_FINITE_START


def test_in_single_precision_it_converges():
    with jax.enable_x64(False):
        post = inference.posterior(
            {"x": dist.Normal(jnp.zeros(2), 1.0)}, lambda p: -50.0 * jnp.sum((p["x"] - 3.0) ** 2)
        )
        found = inference.map_estimate(post, key=0, num_starts=2)
    assert found.position.dtype == jnp.float32
    assert InferenceStatus(int(found.status)).is_success
    np.testing.assert_allclose(found.position, 300.0 / 101.0, rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"key": None}, ValueError, "key"),
        ({"num_starts": 0}, ValueError, "num_starts"),
        ({"max_steps": 1.5}, TypeError, "max_steps"),
        ({"gtol": -1.0}, ValueError, "`gtol` must be a positive number"),
        ({"init": {"y": jnp.zeros(3)}}, ValueError, "names and nesting"),
        ({"init": {"x": jnp.zeros(4)}}, ValueError, "priors' shapes"),
        ({"init": jnp.zeros(4)}, ValueError, "unconstrained numbers"),
        ({"init": jnp.full(3, jnp.nan)}, ValueError, "inside the supports"),
    ],
)
def test_wrong_options_are_refused_with_the_rule(options, error, words):
    with pytest.raises(error, match=words):
        inference.map_estimate(gaussian_posterior(), **({"key": 0} | options))


def test_what_is_no_posterior_and_starts_without_density_are_refused():
    with pytest.raises(TypeError, match="needs a `Posterior`"):
        inference.map_estimate(lambda x: x, key=0)
    post = inference.posterior({"x": dist.Normal(0.0, 1.0)}, lambda p: jnp.where(p["x"] < 50.0, jnp.nan, p["x"]))
    with pytest.raises(ValueError, match="must have a finite density"):
        inference.map_estimate(post, key=0)
    with pytest.raises(ValueError, match="in `init`"):
        inference.map_estimate(post, key=0, init={"x": 1.0})
