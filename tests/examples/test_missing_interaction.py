"""The parts of the missing-interaction example; `make examples` runs the whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj


@pytest.fixture(scope="module")
def example(load_example):
    return load_example("missing_interaction")


def test_the_scenario_is_the_published_one(example):
    ts, measured = example.sample(jax.random.key(0))
    assert measured.shape == (21, 2) and float(ts[-1]) == 5.0
    y = jnp.array([2.0, 3.0])
    missing = example.truth(0.0, y, None) - example.known(0.0, y, None)
    assert np.allclose(missing, [-0.9 * 6, 0.8 * 6])


def test_the_law_of_a_right_network_is_fitted_to_the_data(example):
    """The refit: both coefficients within three standard errors of the truth, and within 2 % of it."""
    ts, measured = example.sample(jax.random.key(0))
    right = lambda y: jnp.stack([-0.95 * y[0] * y[1], 0.75 * y[0] * y[1]])
    law = sj.estimation.recover_law(right, measured, threshold=0.2, outputs=("dx/dt missing", "dy/dt missing"))
    rows = example.rows_of(law, example.refit(law, measured, ts)[0])
    assert [row["true"] for row in rows] == [-0.9, 0.8]
    for row in rows:
        assert abs(row["fitted"] / row["true"] - 1) < 0.02
        assert abs(row["fitted"] - row["true"]) < 3 * row["standard_error"]


@pytest.mark.full
def test_the_network_is_read_right(example):
    report, _ = example.analyse(False, lambda name: None)
    assert report["exact_support"]
    assert all(abs(row["fitted"] / row["true"] - 1) < 0.02 for row in report["terms"])
    assert report["forecast_error"]["law"] < 0.01
    assert report["seconds_per_gradient"]["one_by_one"] > 1.5 * report["seconds_per_gradient"]["together"]
