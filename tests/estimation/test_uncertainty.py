"""Standard errors, intervals, criteria and diagnostics against exact linear theory, SciPy and repeated experiments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import sciml_jax as sj
from sciml_jax.estimation.quantiles import chi_square_quantile, student_t_quantile

from .problems import LINE_TIMES, MATRIX, line

TRUTH = jnp.array([1.0, -2.0, 0.5])
SIGMA = 0.3
YS = line(TRUTH) + SIGMA * jax.random.normal(jax.random.key(5), (12,))


def fit_line(ys=YS, noise=None, **options):
    data = sj.estimation.Data(LINE_TIMES, ys, noise=noise)
    return sj.estimation.shooting(line, data=data, initial=jnp.zeros(3), **options)


def test_linear_case_with_unknown_noise_is_ordinary_least_squares():
    fit = fit_line()
    matrix, ys = np.asarray(MATRIX), np.asarray(YS)
    solution, (square,), *_ = np.linalg.lstsq(matrix, ys, rcond=None)
    covariance = square / (12 - 3) * np.linalg.inv(matrix.T @ matrix)
    np.testing.assert_allclose(fit.params, solution, rtol=1e-6)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-8)
    np.testing.assert_allclose(fit.standard_errors, np.sqrt(np.diag(covariance)), rtol=1e-8)
    assert fit.sigma == pytest.approx(np.sqrt(square / 9), rel=1e-8)
    factor = scipy.stats.t(9).ppf(0.95)
    lower, upper = fit.intervals(0.9)
    np.testing.assert_allclose(upper - lower, 2 * factor * fit.standard_errors, rtol=1e-8)
    deviation = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(fit.correlation, covariance / np.outer(deviation, deviation), rtol=1e-8)
    # Of the normal likelihood at its most likely variance, whose estimate counts as a parameter.
    likelihood = np.sum(scipy.stats.norm(line(solution), np.sqrt(square / 12)).logpdf(ys))
    assert fit.log_likelihood == pytest.approx(likelihood, rel=1e-6)
    assert fit.aic == pytest.approx(2 * 4 - 2 * likelihood, rel=1e-6)
    assert fit.bic == pytest.approx(np.log(12) * 4 - 2 * likelihood, rel=1e-6)
    assert fit.status is sj.estimation.EstimationStatus.CONVERGED


def test_linear_case_with_known_noise_is_weighted_least_squares():
    noise = np.linspace(0.1, 0.5, 12)
    fit = fit_line(noise=noise)
    weighted = np.asarray(MATRIX) / noise[:, None]
    covariance = np.linalg.inv(weighted.T @ weighted)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-8)
    lower, upper = fit.intervals()
    np.testing.assert_allclose(upper - fit.params, 1.959963984540054 * np.sqrt(np.diag(covariance)), rtol=1e-8)
    likelihood = np.sum(scipy.stats.norm(line(fit.params), noise).logpdf(YS))
    assert fit.log_likelihood == pytest.approx(likelihood, rel=1e-6)
    assert fit.aic == pytest.approx(2 * 3 - 2 * likelihood, rel=1e-6)
    p_value = scipy.stats.chi2(9).sf(np.sum(((line(fit.params) - YS) / noise) ** 2))
    assert fit.diagnostics()["p_value"] == pytest.approx(p_value, rel=1e-8)


def test_coverage_of_95_percent_intervals_is_right_within_binomial_error():
    repeats = 1000
    noise = SIGMA * jax.random.normal(jax.random.key(8), (repeats, 12))
    fits = jax.jit(jax.vmap(fit_line))(line(TRUTH) + noise)
    lower, upper = jax.vmap(lambda fit: fit.intervals())(fits)
    covered = np.mean((lower <= TRUTH) & (upper >= TRUTH), axis=0)
    assert np.all(np.abs(covered - 0.95) < 3.5 * np.sqrt(0.95 * 0.05 / repeats))
    # Their spread is what the standard errors say, too.
    ratio = np.std(fits.params, axis=0) / np.sqrt(np.mean(fits.standard_errors**2, axis=0))
    assert np.all(np.abs(ratio - 1) < 4 / np.sqrt(2 * repeats))


def test_standard_errors_agree_with_a_bootstrap_of_a_nonlinear_model():
    model = lambda p: p[0] * jnp.exp(-p[1] * 3 * LINE_TIMES)
    exact = model(jnp.array([2.0, 0.8]))
    fit_to = lambda ys: sj.estimation.shooting(
        model,
        data=sj.estimation.Data(LINE_TIMES, ys),
        bounds=(0.0 * TRUTH[:2], 10 + 0 * TRUTH[:2]),
        initial=jnp.ones(2),
    )
    fit = fit_to(exact + 0.05 * jax.random.normal(jax.random.key(2), (12,)))
    number = 400
    drawn = fit.predictions[0, :, 0] + fit.sigma * jax.random.normal(jax.random.key(3), (number, 12))
    again = jax.jit(jax.vmap(lambda ys: fit_to(ys).params))(drawn)
    # A standard deviation of n draws is known to 1 / sqrt(2 n).
    assert np.all(np.abs(np.std(again, axis=0) / fit.standard_errors - 1) < 4 / np.sqrt(2 * number))


def test_parameters_that_the_data_do_not_determine_have_infinite_errors():
    model = lambda p: p["a"] * p["b"] * jnp.exp(-p["k"] * LINE_TIMES)
    data = sj.estimation.Data(LINE_TIMES, 2.0 * jnp.exp(-LINE_TIMES) + 0.01 * jnp.sin(50 * LINE_TIMES))
    start = {"a": 1.0, "b": 1.0, "k": 0.5}
    fit = sj.estimation.shooting(model, data=data, initial=start, bounds=(0.0, 10.0))
    assert fit.status is sj.estimation.EstimationStatus.UNIDENTIFIABLE
    assert np.isinf(fit.standard_errors["a"]) and np.isinf(fit.standard_errors["b"])
    assert 0 < fit.standard_errors["k"] < 0.1
    np.testing.assert_array_equal(fit.identifiable, [False, False, True])
    assert fit.summary().count("not determined") == 2
    # A parameter without any effect is found out too, and does not harm the others.
    idle = sj.estimation.shooting(lambda p: p[0] * LINE_TIMES + 0 * p[1], data=data, initial=jnp.ones(2))
    np.testing.assert_array_equal(idle.identifiable, [True, False])
    # Sharing a sum, they can be told apart as soon as a prior says something about one.
    known = sj.estimation.shooting(
        model,
        data=data,
        initial=start,
        bounds=(0.0, 10.0),
        prior=({"a": 1.0, "b": 0.0, "k": 0.0}, {"a": 0.1, "b": np.inf, "k": np.inf}),
    )
    assert known.status is sj.estimation.EstimationStatus.CONVERGED
    assert known.params["a"] == pytest.approx(1.0, abs=1e-6)


def test_priors_and_penalties_give_the_posterior_of_ridge_regression():
    fit = fit_line(noise=SIGMA, prior=(jnp.zeros(3), jnp.full(3, 0.7)))
    matrix = np.asarray(MATRIX) / SIGMA
    precision = matrix.T @ matrix + np.eye(3) / 0.7**2
    np.testing.assert_allclose(fit.params, np.linalg.solve(precision, matrix.T @ (YS / SIGMA)), rtol=3e-6)
    np.testing.assert_allclose(fit.covariance, np.linalg.inv(precision), rtol=1e-8)
    same = fit_line(noise=SIGMA, penalty=lambda p: p / 0.7)
    np.testing.assert_allclose(same.params, fit.params, rtol=1e-6)


def test_diagnostics_see_a_trend_that_the_model_lacks():
    data = sj.estimation.Data(LINE_TIMES, YS * 0 + LINE_TIMES**2)
    wrong = sj.estimation.shooting(lambda p: p[0] + p[1] * LINE_TIMES, data=data, initial=jnp.ones(2)).diagnostics()
    assert wrong["durbin_watson"][0] < 0.6
    assert wrong["autocorrelation"][0] > 1.5
    right = fit_line().diagnostics()
    assert 1.0 < right["durbin_watson"][0] < 3.2


def test_quantiles_agree_with_scipy():
    for probability in (0.6, 0.9, 0.975, 0.9995):
        for degrees in (1.0, 3.0, 50.0):
            expected = scipy.stats.t(degrees).ppf(probability)
            assert student_t_quantile(jnp.asarray(probability), jnp.asarray(degrees)) == pytest.approx(
                expected, rel=1e-9
            )
        assert chi_square_quantile(jnp.asarray(probability), 1.0) == pytest.approx(
            scipy.stats.chi2(1).ppf(probability), rel=1e-9
        )


def test_the_waterfall_and_the_summary_show_all_starts():
    fit = fit_line(starts=4, key=0, bounds=(-9.0, 9.0))
    ax = fit.waterfall()
    assert ax.get_xlabel() == "start, in order"
    assert sum(line.get_xdata().size for line in ax.lines) == 4
    assert "4 of 4 starts" in fit.summary()
    assert repr(fit) == "Estimate(status=CONVERGED, params=3, starts=4)"
