"""The posterior density of networks: its parts, and what samplers make of it."""

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

pinn = sj.pinn
LINE = pinn.Box({"x": (0.0, 1.0)})
NOISE, TRUTH = 0.05, 0.5


def measured():
    """-D u'' = pi^2 sin(pi x) / 2 with zero at both ends, u = sin(pi x) / (2 D); log D is sought, D = 0.5."""

    def residual(u, z, params):
        return jnp.exp(params["log_d"]) * LINE.partials(u, z, "xx")[0] + jnp.pi**2 / 2 * jnp.sin(jnp.pi * z[0])

    points = jnp.linspace(0.1, 0.9, 12)[:, None]
    values = jnp.sin(jnp.pi * points[:, 0]) / (2 * TRUTH) + NOISE * jax.random.normal(jax.random.key(3), (12,))
    data = pinn.Data(points, values)
    return pinn.PDEProblem(LINE, residual, [pinn.Dirichlet(LINE.face("x"), 0.0), data], unknown={"log_d": 0.0})


@pytest.fixture(scope="module")
def density():
    prior = lambda unknown: -0.5 * unknown["log_d"] ** 2 / 4.0
    network = lambda n, m, key: sj.networks.MLP(n, m, 4, 1, key=key)
    return pinn.log_density(
        measured(), network, noise=NOISE, residual_scale=0.1, prior_scale=5.0, unknown_prior=prior, num_points=20, key=1
    )


def test_the_density_is_the_sum_of_squares_in_standard_deviations(density):
    position = density.start
    u, log_d = density.function(position), position["unknown"]["log_d"]
    points, values = density.items[0]
    misfit = sum(float((u(z) - y) / NOISE) ** 2 for z, y in zip(points, values))
    second = jnp.stack([LINE.partials(u, z, "xx")[0] for z in density.points])
    equation = jnp.exp(log_d) * second + jnp.pi**2 / 2 * jnp.sin(jnp.pi * density.points[:, 0])
    weights = sum(float(jnp.sum(leaf**2)) for leaf in jax.tree_util.tree_leaves(position["network"]))
    expected = -0.5 * (misfit + float(jnp.sum((equation / 0.1) ** 2)) + weights / 25.0 + float(log_d) ** 2 / 4)
    np.testing.assert_allclose(density(position), expected, rtol=1e-10)


def test_power_zero_is_the_prior(density):
    problem = measured()
    cold = pinn.log_density(problem, noise=NOISE, residual_scale=0.1, power=0.0, key=1)
    np.testing.assert_allclose(cold(cold.start), cold.log_prior(cold.start), rtol=1e-12)
    assert float(cold.log_likelihood(cold.start)) < -1.0


def test_the_posterior_of_a_diffusion_coefficient_covers_the_truth(density):
    """NUTS of BlackJAX on the function as it is. The amplitude 1 / (2 D) has the standard deviation NOISE / |sin|."""
    key_warm, key_run = jax.random.split(jax.random.key(0))

    @jax.jit
    def sample(start):
        warm = blackjax.window_adaptation(blackjax.nuts, density, initial_step_size=1e-3)
        (state, parameters), _ = warm.run(key_warm, start, 300)
        kernel = blackjax.nuts(density, **parameters)

        def step(state, key):
            state, info = kernel.step(key, state)
            return state, (state.position["unknown"]["log_d"], info.is_divergent)

        return jax.lax.scan(step, state, jax.random.split(key_run, 400))[1]

    draws, divergent = sample(density.start)
    sines = np.sin(np.pi * np.linspace(0.1, 0.9, 12))
    spread = NOISE / np.linalg.norm(sines) * 2 * TRUTH
    assert float(jnp.mean(divergent)) < 0.05
    assert abs(float(jnp.mean(draws)) - np.log(TRUTH)) < 3 * spread
    assert 0.6 < float(jnp.std(draws)) / spread < 1.6


@pytest.mark.full
def test_a_solution_is_a_start_with_high_density(density):
    problem = measured()
    sol = sj.solve(problem, pinn.PINN(width=4, depth=1, num_points=40, num_steps=40), key=0)
    found = pinn.log_density(problem, sol, noise=NOISE, residual_scale=0.1, key=1)
    assert float(density.log_likelihood(density.start)) < -100.0
    assert float(found.log_likelihood(found.start)) > -40.0
    z = jnp.array([0.3])
    np.testing.assert_allclose(found.function(found.start)(z), sol(z), rtol=1e-12)


def test_the_density_composes_with_jit_grad_and_vmap(density):
    many = jax.tree_util.tree_map(lambda leaf: jnp.stack([leaf, 1.1 * leaf]), density.start)
    both = jax.jit(jax.vmap(jax.value_and_grad(density)))(many)
    np.testing.assert_allclose(both[0][0], density(density.start), rtol=1e-12)
    step = 1e-6
    moved = jax.tree_util.tree_map(lambda leaf: leaf, density.start)
    moved["unknown"] = {"log_d": density.start["unknown"]["log_d"] + step}
    slope = (float(density(moved)) - float(density(density.start))) / step
    np.testing.assert_allclose(both[1]["unknown"]["log_d"][0], slope, rtol=1e-3)
