"""Log densities and tails of the kinds of noise, against SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as stats

from sciml_jax import inference
from sciml_jax.core.data import Data

MU = jnp.array([0.7, 2.0, 5.0])
CASES = {
    "gaussian": (inference.gaussian, [0.4, 2.5, 9.0], {"scale": 1.5}, stats.norm(MU, 1.5)),
    "lognormal": (inference.lognormal, [0.4, 2.5, 9.0], {"scale": 0.3}, stats.lognorm(0.3, scale=MU)),
    "student_t": (inference.student_t, [0.4, 2.5, 9.0], {"scale": 1.5, "df": 3.5}, stats.t(3.5, MU, 1.5)),
    "poisson": (inference.poisson, [0, 2, 9], {}, stats.poisson(MU)),
    "negative_binomial": (
        inference.negative_binomial,
        [0, 2, 9],
        {"concentration": 2.5},
        stats.nbinom(2.5, 2.5 / (2.5 + MU)),
    ),
}


def at_mu(params):
    return params["mu"]


@pytest.mark.parametrize("kind", list(CASES))
def test_densities_are_those_of_scipy(kind):
    """The log-likelihood is normalised, value by value."""
    make, data, shape, reference = CASES[kind]
    found = make(at_mu, jnp.array(data), **shape)
    log_prob = reference.logpmf if hasattr(reference.dist, "pmf") else reference.logpdf
    np.testing.assert_allclose(found.pointwise({"mu": MU}), log_prob(np.array(data)), rtol=1e-10)
    np.testing.assert_allclose(found({"mu": MU}), np.sum(log_prob(np.array(data))), rtol=1e-10)


@pytest.mark.parametrize("kind", list(CASES))
def test_censored_values_enter_by_their_probability(kind):
    """Left: P(Y <= y); right: P(Y >= y)."""
    make, data, shape, reference = CASES[kind]
    y, counts = np.array(data), hasattr(reference.dist, "pmf")
    for side, expected in (("left", reference.logcdf(y)), ("right", reference.logsf(y - 1 if counts else y))):
        found = make(at_mu, jnp.array(data), **shape, **{f"{side}_censored": jnp.ones(3, bool)})
        np.testing.assert_allclose(found.pointwise({"mu": MU}), expected, rtol=1e-6, atol=1e-9)
        slope = jax.grad(found)({"mu": MU})["mu"]
        assert np.all(np.isfinite(slope))


def test_tails_of_students_distribution_far_out():
    """The tails of the t distribution hold from heavy to nearly normal ones."""
    from sciml_jax.inference.noise_families import StudentT

    t = jnp.array([-30.0, -3.0, -0.1, 0.0, 2.0, 40.0])
    for df in (0.5, 1.0, 4.0, 100.0, 1000.0):
        found = StudentT().log_below(t, jnp.zeros(6), scale=jnp.ones(6), df=jnp.full(6, df))
        np.testing.assert_allclose(found, stats.t(df).logcdf(t), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("kind", list(CASES))
def test_drawn_measurements_have_the_mean_of_the_noise(kind):
    """Means of 20,000 draws lie within five standard errors (medians for the log-normal)."""
    make, data, shape, reference = CASES[kind]
    draw = make(at_mu, jnp.array(data), **shape).sample
    found = np.asarray(jax.vmap(lambda key: draw(key, {"mu": MU}))(jax.random.split(jax.random.key(0), 20_000)))
    error = reference.std() / np.sqrt(len(found))
    assert np.all(np.abs(found.mean(axis=0) - reference.mean()) < 5 * error)


def test_masks_experiments_and_scales_of_parameters():
    """Masked NaN is left out, experiments of different lengths add up, scales may be parameters."""
    data = [jnp.array([[1.0, jnp.nan], [2.0, 3.0]]), jnp.array([[4.0, 5.0]])]
    mask = [jnp.isfinite(y) for y in data]
    predict = lambda p: [jnp.ones((2, 2)) * p["mu"], jnp.ones((1, 2)) * p["mu"]]
    found = inference.gaussian(predict, data, scale=lambda p: p["s"], mask=mask)
    params = {"mu": jnp.asarray(2.5), "s": jnp.array([0.5, 2.0])}
    expected = stats.norm(2.5, 0.5).logpdf([1.0, 2.0, 4.0]).sum() + stats.norm(2.5, 2.0).logpdf([3.0, 5.0]).sum()
    np.testing.assert_allclose(found(params), expected, rtol=1e-12)
    both = found + inference.poisson(lambda p: p["mu"], jnp.array([3]))
    np.testing.assert_allclose(both(params), expected + stats.poisson(2.5).logpmf(3), rtol=1e-12)


def test_data_bring_their_mask_and_noise():
    """A `Data` is measured values with mask and scale."""
    ts, ys = jnp.arange(3.0), jnp.array([1.0, jnp.nan, 2.0])
    data = Data(ts, ys, mask=jnp.isfinite(ys), noise=0.5)
    found = inference.gaussian(lambda p: p["mu"] * jnp.ones(3), data)
    np.testing.assert_allclose(found({"mu": 1.5}), stats.norm(1.5, 0.5).logpdf([1.0, 2.0]).sum(), rtol=1e-12)


ONES = jnp.ones(3)
BAD = {
    "nan": (lambda: inference.gaussian(at_mu, ONES.at[0].set(jnp.nan), scale=1.0), "mask"),
    "zero scale": (lambda: inference.gaussian(at_mu, ONES, scale=0.0), "positive"),
    "no scale": (lambda: inference.gaussian(at_mu, ONES), "must be given"),
    "scale shape": (lambda: inference.gaussian(at_mu, ONES, scale=jnp.ones(2)), "broadcast"),
    "negative": (lambda: inference.lognormal(at_mu, -ONES, scale=1.0), "positive data"),
    "fractions": (lambda: inference.poisson(at_mu, 0.5 * ONES), "counts"),
    "no variance": (lambda: inference.gaussian(at_mu, ONES, scale=lambda p: p["s"]), "zero variance"),
    "shape": (lambda: inference.gaussian(lambda p: jnp.ones((3, 2)), ONES, scale=1.0)({}), "shapes of the data"),
    "mask": (lambda: inference.gaussian(at_mu, ONES, scale=1.0, mask=jnp.ones(3)), "boolean"),
    "df": (lambda: inference.student_t(at_mu, ONES, scale=1.0, df=at_mu, left_censored=ONES > 0), "`df` must be"),
    "empty": (lambda: inference.gaussian(at_mu, ONES, scale=1.0, mask=jnp.zeros(3, bool)), "finite"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_bad_data_say_what_to_do(case):
    """Every misuse has a message of its own."""
    make, words = BAD[case]
    with pytest.raises(ValueError, match=words):
        make()
