"""The parts of the delayed epidemic example; `make examples` runs the whole."""

import jax.numpy as jnp
import numpy as np
import pytest


@pytest.fixture(scope="module")
def example(load_example):
    return load_example("delayed_epidemic")


def by_heun(example, h=0.05, weeks=60):
    """The infectious at the end of every week, by Heun's method on a grid that the lag is a multiple of."""
    number, contagion, imports = 1 / example.TRUTH[1], example.TRUTH[0] / example.TRUTH[1], example.TRUTH[2]
    lag, steps = round(example.TRUTH[4] / h), round(weeks * example.WEEK / h)
    ill = np.zeros(steps + 1)
    susceptible = example.PEOPLE

    def slopes(s, i, late):
        new = contagion * s * i / example.PEOPLE + imports
        return number * late - new, new - number * i

    for n in range(steps):
        late, soon = (ill[k] if k >= 0 else 0.0 for k in (n - lag, n + 1 - lag))
        a = slopes(susceptible, ill[n], late)
        b = slopes(susceptible + h * a[0], ill[n] + h * a[1], soon)
        susceptible += h / 2 * (a[0] + b[0])
        ill[n + 1] = ill[n] + h / 2 * (a[1] + b[1])
    return ill[:: round(example.WEEK / h)][1:]


def test_the_waves_are_those_of_heuns_method_on_a_fine_grid(example):
    found = example.simulate(jnp.asarray(example.TRUTH)).ys[:60, 1]
    np.testing.assert_allclose(found, by_heun(example), rtol=2e-3)


@pytest.mark.full
def test_the_fit_finds_the_truth_within_three_standard_errors(example):
    report, _ = example.analyse(False, lambda name: None)
    assert all(abs(row["z"]) < 3 for row in report["estimates"].values())
    assert report["estimates"]["immunity (days)"]["standard_error"] < 3
    misfit = report["misfit_per_degree_of_freedom"]
    assert 0.6 < misfit["lag"] < 1.5 and misfit["no lag"] > 10
    assert report["derivatives_against_differences"] < 3e-3
