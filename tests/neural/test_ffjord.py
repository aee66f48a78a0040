"""`FFJORD`: exact densities of linear flows, both traces, samples, regularisers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.stats

import sciml_jax as sj

from .networks import LinearField, directional, mlp

MATRIX = jnp.array([[0.3, -1.0], [0.5, -0.2]])
X = jnp.array([[0.4, -0.3], [1.0, 2.0], [-0.5, 0.1]])
EXACT = {"rtol": 1e-9, "atol": 1e-11}


def gaussian(matrix):
    """The law of exp(A) z for a standard normal z."""
    push = scipy.linalg.expm(np.asarray(matrix))
    return scipy.stats.multivariate_normal(np.zeros(2), push @ push.T)


def test_a_linear_flow_has_the_exact_gaussian_density():
    flow = sj.neural.FFJORD(LinearField(MATRIX), 2, **EXACT)
    np.testing.assert_allclose(flow.log_prob(X), gaussian(MATRIX).logpdf(X), rtol=1e-7)
    assert float(flow(X[1])) == pytest.approx(gaussian(MATRIX).logpdf(X[1]), rel=1e-7)


def test_normalised_data_have_the_density_of_their_own_units():
    shift, scale = jnp.array([1.0, -1.0]), jnp.array([2.0, 0.5])
    flow = sj.neural.FFJORD(LinearField(MATRIX), 2, normalise=sj.neural.Normalise(shift, scale), **EXACT)
    expected = gaussian(MATRIX).logpdf((X - shift) / scale) - np.log(2.0 * 0.5)
    np.testing.assert_allclose(flow.log_prob(X), expected, rtol=1e-7)


@pytest.mark.parametrize("gaussian_probes", [False, pytest.param(True, marks=pytest.mark.full)])
def test_hutchinson_is_unbiased_within_standard_errors(gaussian_probes):
    trace = sj.neural.Hutchinson(gaussian=gaussian_probes)
    flow = sj.neural.FFJORD(LinearField(MATRIX), 2, trace=trace, **EXACT)
    keys = jax.random.split(jax.random.key(0), 400)
    found = jax.vmap(lambda key: flow.log_prob(X[1], key=key))(keys)
    exact = gaussian(MATRIX).logpdf(X[1])
    spread = np.std(found)
    assert spread > 0.1 and abs(np.mean(found) - exact) < 4 * spread / 20


def test_hutchinson_is_exact_on_a_diagonal_jacobian():
    flow = sj.neural.FFJORD(LinearField(jnp.diag(jnp.array([0.3, -0.8]))), 2, trace=sj.neural.Hutchinson(), **EXACT)
    np.testing.assert_allclose(flow.log_prob(X, key=0), gaussian(np.diag([0.3, -0.8])).logpdf(X), rtol=1e-7)


def test_the_density_of_a_network_integrates_to_one():
    flow = sj.neural.FFJORD(mlp(2, 2, width=8), 2)
    axis = jnp.linspace(-7.0, 7.0, 57)
    grid = jnp.stack(jnp.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    assert float(jnp.sum(jnp.exp(flow.log_prob(grid)))) * (14.0 / 56) ** 2 == pytest.approx(1.0, abs=1e-4)


def test_samples_have_the_moments_of_the_law():
    samples = sj.neural.FFJORD(LinearField(MATRIX), 2).sample(4000, key=0)
    covariance = gaussian(MATRIX).cov
    np.testing.assert_allclose(np.mean(samples, axis=0), 0.0, atol=4 * np.sqrt(covariance.max() / 4000))
    np.testing.assert_allclose(np.cov(samples.T), covariance, atol=4 * np.sqrt(2 / 4000) * covariance.max())


def test_a_base_of_ones_own_takes_the_place_of_the_normal():
    class Uniform:
        def log_prob(self, z):
            return jnp.where(jnp.all((z >= 0) & (z <= 1)), 0.0, -jnp.inf)

        def sample(self, key):
            return jax.random.uniform(key, (1,))

    flow = sj.neural.FFJORD(lambda z: jnp.ones(1), 1, base=Uniform())
    np.testing.assert_allclose(flow.log_prob(jnp.array([[1.5], [0.5]])), [0.0, -np.inf])
    samples = flow.sample(50, key=1)
    assert float(samples.min()) > 1.0 and float(samples.max()) < 2.0


def test_the_regularisers_of_a_constant_and_of_a_linear_field():
    """f = c: the kinetic cost is |c|^2 / n. f = A z: the Jacobian cost is |A|^2 / n."""
    constant = sj.neural.FFJORD(lambda z: jnp.array([3.0, 4.0]), 2)
    costs = constant.log_prob_and_costs(X[0])[1]
    assert float(costs.kinetic) == pytest.approx(12.5) and float(costs.jacobian) == pytest.approx(0.0, abs=1e-12)
    linear = sj.neural.FFJORD(LinearField(MATRIX), 2)
    assert float(linear.log_prob_and_costs(X[0])[1].jacobian) == pytest.approx(float(jnp.sum(MATRIX**2)) / 2, rel=1e-6)


@pytest.mark.full
def test_gradients_of_a_density_are_those_of_differences():
    flow = sj.neural.FFJORD(mlp(2, 2), 2, trace=sj.neural.Hutchinson(2), rtol=1e-8, atol=1e-10)
    reverse, difference = directional(lambda flow: flow.log_prob(X, key=4).mean(), flow)
    assert reverse == pytest.approx(difference, rel=1e-5)
