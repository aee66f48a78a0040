"""The quickstart's parts that need no fit; `make quickstart` runs the whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax import zoo


@pytest.fixture(scope="module")
def quickstart(load_example):
    return load_example("quickstart")


@pytest.fixture(scope="module")
def log_counts():
    data = zoo.lynx_hare()
    return jnp.log(jnp.stack([data.hare, data.lynx], axis=1))


def judged(quickstart, log_counts, lv_errors, ude_errors):
    """The report for models that are off by (fit, forecast) in every log-count."""
    shifts = [jnp.where(jnp.arange(21) < 17, *errors)[:, None] for errors in (lv_errors, ude_errors)]
    lv, ude = (jnp.repeat(log_counts + shift, quickstart.FINE, axis=0)[: 20 * quickstart.FINE + 1] for shift in shifts)
    report = {"lotka_volterra": {}, "universal": {}}
    quickstart.judge(report, log_counts, {"lv": lv, "ude": ude, "band": jnp.stack([lv - 0.3, lv + 0.3])})
    return report


@pytest.mark.parametrize(
    ("ude_errors", "words"),
    [
        ((0.1, 0.5), "counts better, but forecasts them worse"),
        ((0.1, 0.3), "counts better, and forecasts them better"),
        ((0.3, 0.5), "counts worse, and forecasts them worse"),
        ((0.3, 0.3), "counts worse, but forecasts them better"),
    ],
)
def test_the_finding_says_what_the_numbers_say(quickstart, log_counts, ude_errors, words):
    report = judged(quickstart, log_counts, (0.2, 0.4), ude_errors)
    assert words in report["finding"]
    assert report["universal"]["misfit"] == pytest.approx(ude_errors[0])
    assert report["forecast"]["Lotka-Volterra"] == pytest.approx(0.4)
    assert report["lotka_volterra"]["held_out_in_band"] == 0


def test_trivial_forecasts_repeat_the_ten_years_between_the_peaks(quickstart, log_counts):
    errors = quickstart.trivial_forecasts(log_counts)
    expected = np.sqrt(np.mean((np.asarray(log_counts)[7:11] - np.asarray(log_counts)[17:]) ** 2))
    assert errors["last 10-year cycle"] == pytest.approx(expected)


@pytest.mark.slow
def test_a_failed_solve_gives_a_large_finite_misfit_and_zero_gradients(quickstart):
    years = jnp.arange(17.0)
    theta = jnp.log(jnp.array([0.5, 0.02, 0.9, 0.03, 35.0, 5.0]))
    failing = jnp.log(jnp.array([400.0, 20.0, 400.0, 13.0, 40.0, 25.0]))  # some thousand cycles: out of steps
    gradient = jax.jit(jax.value_and_grad(lambda theta: jnp.sum(quickstart.simulate_lv(theta, years) ** 2)))
    value, slope = gradient(failing)
    assert value == pytest.approx(34 * quickstart.FAILED**2)
    assert jnp.all(slope == 0)
    value, slope = gradient(theta)
    assert value < 34 * 5.0**2
    assert jnp.all(jnp.isfinite(slope))
    assert jnp.all(slope != 0)
