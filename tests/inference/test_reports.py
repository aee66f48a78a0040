"""What runs report that went badly or says nothing; starts from draws; ours inside NumPyro; the progress bar."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

import sciml_jax as sj
from sciml_jax import inference
from sciml_jax.inference import diagnostics

DATA = jnp.array([[0.9, -0.3], [1.4, 0.2], [0.5, -0.8]])


def bounded(bound=1.2):
    """Two means measured three times; the prediction fails where the first is above the bound."""
    predict = lambda p: jnp.where(p["x"][0] < bound, p["x"], jnp.nan) * jnp.ones((3, 1))
    return inference.posterior({"x": dist.Normal(jnp.zeros(2), 1.5)}, inference.gaussian(predict, DATA, scale=0.5))


def test_energies_are_judged_as_by_arviz():
    """E-BFMI and both Monte Carlo errors are ArviZ's to rounding."""
    az = pytest.importorskip("arviz", minversion="1.0")
    x = np.cumsum(np.random.default_rng(0).normal(size=(4, 301)), axis=1)
    np.testing.assert_allclose(diagnostics.bfmi(x), np.asarray(az.bfmi(x)), rtol=1e-12)
    y = np.random.default_rng(1).normal(size=(4, 301))
    for name, ours in (("mean", diagnostics.mcse_mean(y)), ("sd", diagnostics.mcse_sd(y))):
        np.testing.assert_allclose(ours, float(az.mcse(y, method=name)), rtol=1e-10)


def test_laplace_reports_the_share_of_draws_that_fail():
    """The Gaussian is exact below the bound, so weights are equal there; beyond it lies a known share."""
    draws = inference.laplace(bounded(), key=0)
    precision = 1 / 1.5**2 + 3 / 0.25
    mean = float(DATA[:, 0].sum()) / 0.25 / precision
    share = 1 - float(dist.Normal(mean, precision**-0.5).cdf(1.2))
    assert abs(float(draws.info["failed"]) - share) < 5 * np.sqrt(share / 1000)
    np.testing.assert_array_equal(draws.info["pareto_k"], 0.0)
    weights = np.exp(np.asarray(draws.stats["log_weight"]))
    np.testing.assert_allclose(weights.sum(), 1.0, rtol=1e-6)
    assert np.all((weights == 0) == (np.asarray(draws.samples["x"])[..., 0] >= 1.2))
    assert any("could not be evaluated" in text for text in draws.summary().warnings)


@pytest.mark.full
def test_samplers_without_rejections_report_failures_too():
    """Their draws are wrong there, as documented; the summary says why. ChEES rejects and Pathfinder reweights."""
    options = {"key": 0, "num_warmup": 100, "num_samples": 100}
    mclmc = inference.mclmc(bounded(), key=0, num_warmup=300, num_samples=500)
    for draws in (mclmc, inference.chees(bounded(), num_chains=8, **options)):
        assert np.mean(draws.stats["failed"]) > 0.01
        assert any("failed solve" in text for text in draws.summary().warnings)
    draws = inference.pathfinder(bounded(), key=0)
    assert 0.0 < float(draws.info["failed"]) < 1.0
    assert float(jnp.max(draws.samples["x"][..., 0])) < 1.2
    draws = inference.sgld(bounded(), key=0, num_warmup=50, num_samples=200)
    assert any("could not be evaluated" in text for text in draws.summary().warnings)


def test_draws_of_a_likelihood_that_is_constant_by_value_are_called_draws_from_the_prior():
    """Tracing cannot see it; the summary can. A likelihood that varies little but does is none."""
    for slope, expected in ((0.0, True), (1e-6, False)):
        post = inference.posterior({"x": dist.HalfNormal(1.0)}, lambda p, s=slope: s * p["x"])
        draws = inference.metropolis(post, num_warmup=50, num_samples=50, key=0)
        assert any("same at all draws" in text for text in draws.summary().warnings) == expected


def test_a_series_without_variance_cannot_have_a_scale_of_its_own():
    """One scale for all series, or a known one, is fine."""
    data = jnp.stack([jnp.arange(5.0), jnp.ones(5)], axis=1)
    predict = lambda p: p["m"] * jnp.ones((5, 1))
    make = lambda size, scale: inference.posterior(
        {"m": dist.Normal(jnp.zeros(2), 1.0), "s": dist.HalfNormal(jnp.ones(size))},
        inference.gaussian(predict, data, scale=scale),
    )
    with pytest.raises(ValueError, match=r"series \[1\] .*zero variance"):
        make(2, lambda p: p["s"])
    assert np.isfinite(make(1, lambda p: p["s"]).log_density(jnp.zeros(3)))


def test_chains_start_at_draws_of_another_method():
    """Evenly spaced; draws of other parameters are refused."""
    post = bounded(99.0)
    found = inference.pathfinder(post, key=0, num_samples=100)
    begun = inference.hmc(post, num_steps=1, num_warmup=0, num_samples=1, key=0, step_size=1e-9, init=found)
    np.testing.assert_allclose(begun.positions[:, 0], found.positions[0, [12, 37, 62, 87]], atol=1e-6)
    other = inference.posterior({"y": dist.Normal(jnp.zeros(2), 1.0)}, lambda p: jnp.sum(p["y"]))
    with pytest.raises(ValueError, match="same parameters"):
        inference.nuts(other, key=0, init=found)


def growth(p):
    """y' = k y^2 from 1 blows up before t = 2 where k > 1/2."""
    problem = sj.ODEProblem(lambda t, y, k: k * y**2, jnp.ones(1), 0.0, 2.0, p["k"])
    return sj.solve(problem, sj.Tsit5(), saveat=jnp.array([0.5, 2.0]), max_steps=40, on_failure="return").ys


def test_a_likelihood_of_ours_inside_numpyro_is_the_same_posterior():
    """Density and gradient, also where the solve fails."""
    from numpyro.infer.util import potential_energy

    likelihood = inference.gaussian(growth, jnp.array([[1.2], [2.0]]), scale=0.3)

    def model():
        numpyro.factor("data", likelihood({"k": numpyro.sample("k", dist.Normal(0.0, 1.0))}))

    ours = inference.posterior({"k": dist.Normal(0.0, 1.0)}, likelihood)
    theirs = lambda k: -potential_energy(model, (), {}, {"k": k})
    for k in (0.2, 1.0):
        value, slope = jax.value_and_grad(theirs)(jnp.asarray(k))
        np.testing.assert_allclose(value, ours.log_density(jnp.array([k])), rtol=1e-10)
        np.testing.assert_allclose(slope, jax.grad(ours.log_density)(jnp.array([k]))[0], rtol=1e-8)
    again = inference.posterior(model)
    np.testing.assert_allclose(again.log_density(jnp.array([0.2])), ours.log_density(jnp.array([0.2])), rtol=1e-10)


def test_a_run_of_which_a_fifth_of_the_solves_fail_finishes_and_says_so():
    """Draws stay where the equation has a solution, and have the moments of a quadrature there."""
    likelihood = inference.gaussian(growth, jnp.array([[1.3], [10.0]]), scale=30.0)
    post = inference.posterior({"k": dist.Normal(0.5, 0.2)}, likelihood)
    draws = inference.nuts(post, num_warmup=300, num_samples=500, key=0)
    assert 0.05 < np.mean(draws.stats["failed"]) < 0.9
    assert any("failed solve" in text for text in draws.summary().warnings)
    grid = jnp.linspace(-1.0, 0.6, 4001)
    weights = np.asarray(jnp.exp(jax.jit(jax.vmap(post.log_density))(grid[:, None])))
    mean = float(np.sum(weights * grid) / np.sum(weights))
    assert float(jnp.max(draws.samples["k"])) < 0.5
    assert abs(float(draws.mean()["k"]) - mean) < 4 * float(draws.mcse()["k"])


def test_the_progress_bar_shows_divergences_failures_acceptance_and_the_time_left(capfd):
    """As the last line of the bar has them."""
    inference.hmc(bounded(), num_steps=2, num_warmup=20, num_samples=20, key=0, progress=True)
    line = capfd.readouterr().err.replace("\r", "\n").strip().splitlines()[-1]
    assert "80/80" in line
    assert "<00:00" in line
    for word in ("divergences=", "failed solves=", "acceptance=0."):
        assert word in line
