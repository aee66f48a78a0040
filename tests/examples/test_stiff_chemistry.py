"""The parts of the stiff chemistry example, at small sizes; `make examples` runs the whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax import zoo


@pytest.fixture(scope="module")
def example(load_example):
    return load_example("stiff_chemistry")


def test_the_pattern_of_the_pollution_problem_lacks_no_entry(example):
    pattern = example.pollution_sparsity()
    known = zoo.pollution().problem
    problem = sj.ODEProblem(known.vector_field, known.y0, 0.0, 60.0, known.args, sparsity=pattern)
    sj.check_sparsity(problem)
    assert pattern.sum() == 82
    assert len(example.REACTIONS) == known.args.size


@pytest.mark.slow
def test_forgetting_the_jacobian_changes_the_work_and_not_the_solution(example):
    rates = zoo.pollution().problem.args
    kept, forgotten = (example.pollute(rates, None, method) for method in (sj.BDF(), example.Forgetful()))
    assert kept.status == forgotten.status == sj.Status.SUCCESS
    assert forgotten.stats.num_jacobian == forgotten.stats.num_factorisation == forgotten.stats.num_steps
    assert 5 * kept.stats.num_jacobian < kept.stats.num_steps
    reference = zoo.pollution().references[60.0]
    for sol in (kept, forgotten):
        assert np.all(np.abs(sol.y1 - reference) <= 100 * (1e-10 + 1e-6 * np.abs(reference)))


@pytest.mark.slow
def test_the_gradient_through_gmres_agrees_in_both_modes(example):
    rates, method = zoo.brusselator_2d(4).problem.args, example.newton_krylov(4)
    mean = lambda rates: jnp.mean(example.brusselate(rates, 4, method).y1[0])
    reverse, forward = jax.jit(jax.grad(mean))(rates), jax.jit(jax.jacfwd(mean))(rates)
    np.testing.assert_allclose(reverse, forward, rtol=1e-5)
    exact = example.brusselate(rates, 4, sj.BDF(), zoo.brusselator_2d(4).problem.sparsity)
    np.testing.assert_allclose(mean(rates), jnp.mean(exact.y1[0]), rtol=1e-3)


@pytest.mark.full
def test_the_gradients_of_the_example_agree_with_finite_differences(example):
    pollution, _ = example.ozone_sensitivities(example.pollution_sparsity())
    assert pollution["relative_difference"] < 1e-4
    assert pollution["products_per_jacobian"] == 10
    slopes = np.array(list(pollution["d_log_ozone_d_log_rate"].values()))
    # Ozone near its photostationary state: proportional to the first rate over the second.
    np.testing.assert_allclose(slopes[0], -slopes[1], rtol=1e-3)
    brusselator, _ = example.brusselator_gradient(8)
    assert brusselator["relative_difference"] < 5e-4
