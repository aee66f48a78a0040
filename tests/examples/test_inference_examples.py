"""The parts of the inference examples; `make examples` runs the whole of them."""

import jax.numpy as jnp
import numpy as np
import pytest


def test_lynx_and_hare_has_the_density_of_the_published_model(load_example):
    """At the published means: priors and lognormal noise written out, around a solve with tight tolerances."""
    from scipy.integrate import solve_ivp
    from scipy.stats import lognorm, norm, truncnorm

    example = load_example("lynx_hare_posterior")
    theta, z0, sigma = np.split(example.PUBLISHED, [4, 6])
    params = {"theta": jnp.asarray(theta), "z0": jnp.asarray(z0), "sigma": jnp.asarray(sigma)}
    right = lambda t, z: np.asarray([(theta[0] - theta[1] * z[1]) * z[0], (-theta[2] + theta[3] * z[0]) * z[1]])
    ys = solve_ivp(right, (0, 20), z0, "DOP853", np.arange(21.0), rtol=1e-10, atol=1e-10).y.T
    expected = norm.logpdf(np.log(example.DATA), np.log(ys), sigma).sum() - np.log(example.DATA).sum()
    post = example.make_posterior()
    np.testing.assert_allclose(post.log_likelihood(params), expected, rtol=1e-3)
    centre, width = np.array([1.0, 0.05, 1.0, 0.05]), np.array([0.5, 0.05, 0.5, 0.05])
    prior = truncnorm.logpdf(theta, -centre / width, np.inf, centre, width).sum()
    prior += lognorm.logpdf(z0, 1.0, scale=10.0).sum() + lognorm.logpdf(sigma, 1.0, scale=np.exp(-1.0)).sum()
    np.testing.assert_allclose(post.log_prior(params), prior, rtol=1e-6)


def test_the_stiff_kinetics_conserve_mass_and_the_truth_is_likely(load_example):
    example = load_example("stiff_kinetics_posterior")
    ys = example.predict({"rates": jnp.asarray(example.TRUTH)})
    np.testing.assert_allclose(ys.sum(axis=1), 1.0, atol=1e-6)


@pytest.mark.full
@pytest.mark.parametrize("name", ["lynx_hare_posterior", "stiff_kinetics_posterior"])
def test_the_posteriors_hold_the_truth(name, load_example):
    report, _ = load_example(name).analyse(False, lambda part: None)
    for row in report["estimates"].values():
        if "published" in row:
            assert abs(row["mean"] - row["published"]) < 4 * row["mcse"]
        else:
            assert abs(row["mean"] - row["true"]) < 3.5 * row["sd"]
