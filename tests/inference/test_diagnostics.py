"""Diagnostics against ArviZ and against known answers; what `Draws` makes of them."""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from sciml_jax import inference
from sciml_jax.inference import diagnostics


def autoregressive(seed, chains=4, draws=500, memory=0.7):
    noise = np.random.default_rng(seed).normal(size=(chains, draws))
    x = np.zeros_like(noise)
    for i in range(1, draws):
        x[:, i] = memory * x[:, i - 1] + noise[:, i]
    return x


def test_diagnostics_are_those_of_arviz():
    """R-hat, effective sample sizes and Monte Carlo errors agree."""
    az = pytest.importorskip("arviz")
    for memory in (-0.4, 0.0, 0.8):
        x = autoregressive(1, memory=memory) + np.arange(4)[:, None] * 0.1
        pairs = {
            "rhat": (diagnostics.rhat(x), az.rhat(x)),
            "bulk": (diagnostics.ess_bulk(x), az.ess(x, method="bulk")),
            "tail": (diagnostics.ess_tail(x), az.ess(x, method="tail", prob=(0.05, 0.95))),
            "mean": (diagnostics.ess_mean(x), az.ess(x, method="mean")),
        }
        for name, (ours, theirs) in pairs.items():
            np.testing.assert_allclose(ours, np.asarray(theirs), rtol=2e-2, err_msg=f"{name} {memory}")


def test_effective_sample_size_of_a_known_process():
    """An autoregressive chain has (1 - a) / (1 + a) effective draws per draw."""
    x = autoregressive(2, draws=5000, memory=0.6)
    np.testing.assert_allclose(diagnostics.ess_mean(x), x.size * 0.4 / 1.6, rtol=0.15)
    np.testing.assert_allclose(diagnostics.mcse_mean(x), 2.5 / np.sqrt(x.size), rtol=0.15)


def test_chains_that_differ_are_seen():
    """A chain elsewhere, or one of another spread, raises R-hat."""
    same = autoregressive(3, memory=0.0)
    assert diagnostics.rhat(same) < 1.01
    assert diagnostics.rhat(same + np.array([0, 0, 0, 3])[:, None]) > 1.3
    assert diagnostics.rhat(same * np.array([1, 1, 1, 4])[:, None]) > 1.1


def sampled(seed=0, draws=100):
    post = inference.posterior(
        {"mu": dist.Normal(0.0, 1.0)},
        inference.gaussian(
            lambda p: p["mu"] * jnp.ones(3),
            jnp.array([0.1, jnp.nan, 0.5]),
            scale=1.0,
            mask=jnp.array([True, False, True]),
        ),
    )
    positions = jnp.asarray(np.random.default_rng(seed).normal(size=(2, draws, 1))) * 0.5
    stats = {"diverging": jnp.zeros((2, draws), bool).at[1, 3].set(True), "lp": jnp.zeros((2, draws))}
    return inference.Draws(post, positions, method="nuts", stats=stats)


def test_the_summary_warns_in_words():
    """Divergences are counted and located, few effective draws are named."""
    draws = sampled()
    summary = draws.summary()
    assert not summary.ok
    assert any("1 of 200 transitions diverged" in text for text in summary.warnings)
    np.testing.assert_array_equal(draws.divergences()["mu"], draws.samples["mu"][1, 3:4])
    assert set(summary.rows) == {"mu"}


def test_draws_go_to_arviz_and_to_cross_validation():
    """Groups and shapes are ArviZ's; masked values are left out; LOO and WAIC agree for a well-behaved posterior."""
    pytest.importorskip("arviz")
    draws = sampled()
    tree = draws.to_arviz(key=0)
    assert np.asarray(tree["posterior"]["mu"]).shape == (2, 100)
    assert np.asarray(tree["log_likelihood"]["y"]).shape == (2, 100, 2)
    assert np.asarray(tree["posterior_predictive"]["y"]).shape == (2, 100, 3)
    loo, waic = draws.loo(), draws.waic()
    left_out = loo.elpd if hasattr(loo, "elpd") else loo.elpd_loo
    information = waic["elpd"] if isinstance(waic, dict) else waic.elpd_waic
    np.testing.assert_allclose(float(left_out), float(information), atol=0.1)


def test_predictive_draws_have_the_spread_of_posterior_and_noise():
    """Posterior predictive: variances add; prior predictive: those of prior and noise."""
    found = np.asarray(sampled(draws=4000).predictive(key=1))
    assert found.shape == (2, 4000, 3)
    np.testing.assert_allclose(found.var(), 1.25, rtol=0.05)
    params, measured = inference.prior_predictive(sampled().posterior, num=8000, key=1)
    np.testing.assert_allclose(np.var(params["mu"]), 1.0, rtol=0.08)
    np.testing.assert_allclose(np.var(measured), 2.0, rtol=0.08)
    squares = sampled().predictive(fn=lambda p: p["mu"] ** 2, num=7)
    assert squares.shape == (7,)


def test_pictures_are_drawn():
    """Trace, pairs and bands."""
    plt = pytest.importorskip("matplotlib.pyplot")
    draws = sampled()
    assert len(draws.plot_trace().axes) == 2
    assert len(draws.plot_pair("mu").axes) == 1
    figure, axis = plt.subplots()
    inference.bands(axis, np.arange(3), np.asarray(draws.predictive(key=0, num=50)))
    assert len(axis.collections) == 2
    with pytest.raises(ValueError, match="among the parameters"):
        draws.plot_trace("nu")
    plt.close("all")
