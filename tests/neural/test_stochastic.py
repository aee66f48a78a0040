"""`NeuralSDE` and `NeuralJumpSDE`: moments, paths, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .networks import TS, Constant, LinearField, directional, mlp

DECAY, NOISE = 0.7, 0.4


def ornstein_uhlenbeck(**options):
    drift, noise = LinearField(jnp.array([[-DECAY]])), Constant(jnp.array([NOISE]))
    return sj.neural.NeuralSDE(drift, noise, noise="additive", method=sj.EulerMaruyama(), dt0=0.01, **options)


def test_the_moments_of_a_linear_sde_within_standard_errors():
    keys = jax.random.split(jax.random.key(0), 2000)
    sde = ornstein_uhlenbeck()
    ends = jax.vmap(lambda key: sde(jnp.array([1.0]), jnp.array([0.0, 1.0]), key=key)[-1, 0])(keys)
    mean, variance = np.exp(-DECAY), NOISE**2 * (1 - np.exp(-2 * DECAY)) / (2 * DECAY)
    assert abs(np.mean(ends) - mean) < 4 * np.sqrt(variance / 2000) + 0.004  # and the bias of the steps, dt decay / 2
    assert abs(np.var(ends) / variance - 1) < 4 * np.sqrt(2 / 2000) + 0.01


def test_a_path_is_that_of_solve_with_the_same_key():
    drift, diffusion = mlp(2, 2, 0), mlp(2, 6, 1)
    sde = sj.neural.NeuralSDE(drift, diffusion, noise="general", motions=3, dt0=0.1)
    problem = sj.SDEProblem(
        lambda t, y, args: drift(y), lambda t, y, args: diffusion(y).reshape(2, 3), jnp.ones(2), 0.0, 1.0,
        noise="general",
    )  # fmt: skip
    expected = sj.solve(problem, sj.EulerMaruyama(), saveat=TS, dt0=0.1, key=5).ys
    np.testing.assert_allclose(sde(jnp.ones(2), TS, key=5), expected, rtol=1e-12)


def test_normalised_noise_is_stretched_like_the_drift():
    scaling = sj.neural.Normalise(jnp.array([1.0]), jnp.array([3.0]))
    plain, scaled = ornstein_uhlenbeck(), ornstein_uhlenbeck(normalise=scaling)
    path = plain(jnp.array([1.0]), TS, key=2)
    np.testing.assert_allclose(scaled(jnp.array([4.0]), TS, key=2), 1.0 + 3.0 * path, rtol=1e-9)


@pytest.mark.full
def test_gradients_along_a_path_are_those_of_differences():
    sde = sj.neural.NeuralSDE(mlp(2, 2, 0), mlp(2, 2, 1), method=sj.EulerMaruyama(), dt0=0.1)
    reverse, difference = directional(lambda sde: jnp.sum(sde(jnp.ones(2), TS, key=1) ** 2), sde)
    assert reverse == pytest.approx(difference, rel=1e-6)


def test_jumps_of_constant_rate_are_poisson():
    """No drift, no noise: the state counts jumps of sizes 1 and 10 with rates 3 and 1."""
    sizes, rates = jnp.array([[1.0], [10.0]]), jnp.array([3.0, 1.0])
    model = sj.neural.NeuralJumpSDE(lambda y: 0.0 * y, None, Constant(rates), Constant(sizes), max_jumps=30)
    keys = jax.random.split(jax.random.key(1), 1000)
    ends = jax.vmap(lambda key: model(jnp.zeros(1), jnp.array([0.0, 1.0]), key=key)[-1, 0])(keys)
    small, large = np.mod(np.round(ends), 10.0), np.floor(np.round(ends) / 10.0)
    np.testing.assert_allclose(ends, np.round(ends), atol=1e-6)
    assert abs(np.mean(large) - 1.0) < 4 * np.sqrt(1.0 / 1000) + 1e-3
    assert abs(np.mean(small) - 3.0) < 4 * np.sqrt(3.0 / 1000) + 2e-2  # ten small ones count as a large one


@pytest.mark.full
def test_the_mean_of_a_jump_diffusion():
    """m' = -a m + rate size, for jumps of a fixed size that add to a linear drift."""
    model = sj.neural.NeuralJumpSDE(
        LinearField(jnp.array([[-DECAY]])),
        Constant(jnp.array([NOISE])),
        Constant(jnp.array([2.0])),
        Constant(jnp.array([0.5])),
        noise="additive",
        max_jumps=20,
        rtol=1e-3,
        atol=1e-3,
    )
    keys = jax.random.split(jax.random.key(2), 1000)
    ends = jax.vmap(lambda key: model(jnp.ones(1), jnp.array([0.0, 1.0]), key=key)[-1, 0])(keys)
    level = 2.0 * 0.5 / DECAY
    mean = level + (1.0 - level) * np.exp(-DECAY)
    variance = (NOISE**2 + 2.0 * 0.5**2) * (1 - np.exp(-2 * DECAY)) / (2 * DECAY)
    assert abs(np.mean(ends) - mean) < 4 * np.sqrt(variance / 1000)
    assert abs(np.var(ends) / variance - 1) < 0.25
