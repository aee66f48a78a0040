"""The parts of the pharmacokinetics example; `make examples` runs the whole."""

import jax.numpy as jnp
import numpy as np
import pytest


@pytest.fixture(scope="module")
def example(load_example):
    return load_example("pharmacokinetics")


def test_all_doses_in_one_solve_are_a_solve_from_dose_to_dose(example):
    rates, times = jnp.asarray(example.TRUTH), [float(t) for t in example.doses(example.DELAY)]
    assert len(times) == 9 and example.PLAN[example.LATE] == 72.0
    # The linear model by its matrix exponential.
    system = np.array([[float(x) for x in row] for row in _matrix(example)])
    values, vectors = np.linalg.eig(system)
    amounts = np.zeros(3)
    for begin, end in zip(times, [*times[1:], example.END], strict=True):
        amounts = amounts + [example.DOSE, 0.0, 0.0]
        amounts = np.real(vectors @ (np.exp(values * (end - begin)) * np.linalg.solve(vectors, amounts)))
    np.testing.assert_allclose(example.simulate(rates, example.DELAY).y1, amounts, rtol=1e-4, atol=1e-4)


def _matrix(example):
    columns = [example.compartments(0.0, unit, jnp.asarray(example.TRUTH)) for unit in jnp.eye(3)]
    return np.stack(columns, axis=1)


@pytest.mark.full
def test_the_fit_finds_the_truth_within_three_standard_errors(example):
    report, _ = example.analyse(False, lambda name: None)
    assert all(abs(row["z"]) < 3 for row in report["estimates"].values())
    assert 0.3 < report["misfit_per_degree_of_freedom"] < 2.0
    assert report["derivative_by_the_late_hour_against_differences"] < 1e-3
    assert report["seconds_per_solve"]["largest_difference"] < 1e-3
