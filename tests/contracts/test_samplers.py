"""The laws of samplers: keys, shapes, failures that are counted, and the transformations of whole runs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax import inference

from .methods import every, representatives
from .samplers import BOUND, DATA, SAMPLERS, SPREAD

SETS = jnp.stack([DATA, DATA - 0.4])


@functools.cache
def eager(listed, which=0, seed=0):
    return listed.run(listed.posterior(SETS[which]), key=seed)


@functools.cache
def lanes(listed):
    """All data sets by one program."""
    draws = jax.jit(jax.vmap(lambda data: listed.run(listed.posterior(data), key=0)))(SETS)
    return draws.positions, draws.samples["x"]


@representatives(SAMPLERS)
def test_draws_have_the_shape_that_was_asked_for_and_are_finite(listed):
    draws = eager(listed)
    assert draws.positions.shape == (*listed.shape, 2)
    assert draws.samples["x"].shape == (*listed.shape, 2)
    assert draws.method == listed.name
    assert np.all(np.isfinite(draws.positions))
    assert all(np.shape(value) == listed.shape for value in draws.stats.values() if np.ndim(value) == 2)


@representatives(SAMPLERS)
def test_draws_are_a_function_of_the_key(listed):
    """An integer and the key of it are the same; another seed gives other draws."""
    again = listed.run(listed.posterior(), key=jax.random.key(0))
    np.testing.assert_array_equal(again.positions, eager(listed).positions)
    assert not np.any(np.all(eager(listed, 0, 1).positions == again.positions, axis=(0, 1)))


@representatives(SAMPLERS)
def test_under_jit_and_vmap_over_data_sets_each_lane_is_a_run_of_its_own(listed):
    """Also traced runs keep to the supports; equal to rounding, which 30 short transitions hardly amplify."""
    positions, samples = lanes(listed)
    for which in range(2):
        np.testing.assert_allclose(positions[which], eager(listed, which).positions, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(samples, positions)


@representatives([listed for listed in SAMPLERS if np.isfinite(listed.bound)])
def test_proposals_that_fail_are_counted_and_never_drawn(listed):
    draws = eager(listed)
    assert float(jnp.max(draws.samples["x"][..., 0])) < BOUND
    if listed.name == "smc":
        assert 0.1 < float(draws.info["prior_failed"]) < 0.6
        return
    failed = np.asarray(draws.stats["failed"])
    assert failed.shape == listed.shape and 0 < failed.mean() < 1
    assert any("failed solve" in text for text in draws.summary().warnings)


@every(SAMPLERS)
def test_what_is_no_posterior_is_refused(listed):
    with pytest.raises(TypeError, match="Posterior"):
        listed.run(lambda p: 0.0, key=0)


@every(SAMPLERS)
def test_a_key_must_be_given(listed):
    with pytest.raises(ValueError, match="key"):
        listed.run(listed.posterior(), key=None)


def fixed_length(data, spread, step_size, start):
    """A mean of draws by paths of three steps; without warmup the program is smooth between acceptances."""
    post = SAMPLERS[1].posterior(data, spread)
    options = {"num_warmup": 0, "num_samples": 4, "num_chains": 2, "num_steps": 3}
    draws = inference.hmc(post, key=0, step_size=step_size, init=start, **options)
    return jnp.vdot(jnp.mean(draws.samples["x"], axis=(0, 1)), jnp.array([1.0, -0.6]))


@pytest.mark.parametrize("gradient", ["forward", "reverse"])
def test_gradients_through_fixed_length_hmc_are_those_of_differences(gradient, monkeypatch):
    """By data, hyperparameter, step size and start, for fixed random numbers, past failing proposals."""
    made = inference.posterior
    monkeypatch.setattr(inference, "posterior", lambda *a, **o: made(*a, gradient=gradient, **o))
    at = (DATA, jnp.asarray(SPREAD), jnp.asarray(0.05), jnp.array([0.3, 0.1]))
    found = jax.jit(jax.grad(fixed_length, argnums=(0, 1, 2, 3)))(*at)
    value, size = jax.jit(fixed_length), 1e-5
    for place, slope in enumerate(found):
        move = jax.random.normal(jax.random.key(place), slope.shape)
        ahead, behind = (value(*at[:place], at[place] + h * move, *at[place + 1 :]) for h in (size, -size))
        np.testing.assert_allclose(jnp.vdot(slope, move), (ahead - behind) / (2 * size), rtol=1e-5, atol=1e-9)


def test_the_gradient_of_a_run_maps_over_data_sets():
    gradient = jax.grad(fixed_length)
    at = (jnp.asarray(SPREAD), jnp.asarray(0.05), jnp.array([0.3, 0.1]))
    found = jax.jit(jax.vmap(lambda data: gradient(data, *at)))(SETS)
    np.testing.assert_allclose(found[1], jax.jit(gradient)(SETS[1], *at), rtol=1e-10)
