"""The parts of the example of homework 2; `make examples` runs the whole."""

import jax.numpy as jnp
import numpy as np
import pytest


@pytest.fixture(scope="module")
def example(load_example):
    return load_example("fit_parallel")


def test_forty_fixed_steps_give_the_values_of_an_independent_program(example):
    np.testing.assert_allclose(example.fixed_steps(jnp.asarray(example.TRUTH))[-1], example.AT_TEN, rtol=1e-12)


def test_latency_and_rate_of_exact_times_are_found(example):
    sizes = np.array([1, 10, 100, 1000])
    latency, rate = example.line(sizes, 2e-3 + sizes / 5e4)
    assert latency == pytest.approx(2e-3, rel=1e-9) and rate == pytest.approx(5e4, rel=1e-9)


@pytest.mark.full
def test_descent_goes_down_and_all_starts_find_the_truth(example):
    measured = example.fixed_steps(jnp.asarray(example.TRUTH))
    end, losses, fit, _ = example.fits(measured, 300, 8)
    assert losses[-1] < 0.5 * losses[0] and np.all(np.isfinite(end))
    np.testing.assert_allclose(fit.params, example.TRUTH, rtol=0.02)
