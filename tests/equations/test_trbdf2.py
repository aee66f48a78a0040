"""`TRBDF2`: its tableau, its error on stiff problems and DAEs, its work, and its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import observed_order

import sciml_jax as sj
from sciml_jax import zoo
from sciml_jax.equations.linear_solvers import GMRES
from sciml_jax.equations.methods.diagonally_implicit import lagrange
from sciml_jax.equations.methods.trbdf2 import _ERROR, TRBDF2

RATES = jnp.array([0.04, 3e7, 1e4])
START = jnp.array([1.0, 0.0, 0.0])


def robertson(t, y, k):
    r1, r2, r3 = k[0] * y[0], k[1] * y[1] ** 2, k[2] * y[1] * y[2]
    return jnp.stack([-r1 + r3, r1 - r3 - r2, r2])


def robertson_dae(t, y, k):
    return robertson(t, y, k).at[2].set(jnp.sum(y) - 1.0)


def solve(k, field=robertson, mass=None, rtol=1e-5, method=TRBDF2()):
    problem = sj.ODEProblem(field, START, 0.0, 40.0, k, mass_matrix=mass)
    return sj.solve(problem, method, rtol=rtol, atol=1e-5 * rtol)


def matrix(table):
    a = np.zeros((len(table.c), len(table.c)))
    for i, row in enumerate(table.a):
        a[i, : len(row)] = row
        a[i, i] = table.gamma if i else 0.0
    return a


def test_the_tableau_fulfils_the_conditions_of_order_two_and_the_embedded_one_of_order_three():
    table = TRBDF2.tableau
    a, c = matrix(table), np.array(table.c)
    np.testing.assert_allclose(a.sum(1), c, atol=1e-15)
    b, embedded = a[-1], a[-1] - np.array(_ERROR)
    np.testing.assert_allclose([b.sum(), b @ c], [1, 1 / 2], atol=1e-15)
    conditions = embedded.sum(), embedded @ c, embedded @ c**2, embedded @ a @ c
    np.testing.assert_allclose(conditions, [1, 1 / 2, 1 / 3, 1 / 6], atol=1e-15)
    # Stage order two, and L-stability at infinity.
    np.testing.assert_allclose(a @ c, c**2 / 2, atol=1e-15)
    far = np.linalg.solve(np.eye(3) + 1e6 * a, np.ones(3))
    assert abs(1 - 1e6 * b @ far) < 1e-5


def test_stages_are_predicted_by_a_polynomial_of_degree_three_at_most():
    nodes = (0.0, 0.5, 0.332, 0.62, 0.85)
    for count in range(2, 6):
        weights, degree = np.array(lagrange(nodes[:count], 1.0)), min(count - 1, 3)
        for power in range(degree + 1):
            np.testing.assert_allclose(weights @ np.array(nodes[:count]) ** power, 1.0, rtol=1e-12)


@pytest.mark.parametrize(("rtol", "bound"), [(1e-3, 30), (1e-5, 60)])
def test_the_error_on_robertsons_problem_stays_within_some_tolerances(rtol, bound):
    sol = solve(RATES, rtol=rtol)
    expected = zoo.robertson(40.0).references[40.0]
    scaled = np.max(np.abs(sol.y1 - expected) / (1e-5 * rtol + rtol * np.abs(expected)))
    assert scaled < bound, scaled


def test_jacobians_and_factorisations_are_kept_over_steps():
    stats = solve(RATES).stats
    assert int(stats.num_jacobian) < int(stats.num_steps) / 2
    assert int(stats.num_factorisation) < int(stats.num_steps)
    assert int(stats.num_vector_field) < 5 * int(stats.num_steps)


def test_a_singular_mass_matrix_gives_the_solution_of_the_differential_equation():
    mass = jnp.diag(jnp.array([1.0, 1.0, 0.0]))
    sol = solve(RATES, robertson_dae, mass)
    np.testing.assert_allclose(sol.y1, solve(RATES).y1, rtol=3e-4)
    assert abs(float(jnp.sum(sol.y1)) - 1.0) < 1e-12


def test_a_regular_mass_matrix_gives_the_solution_of_the_system_multiplied_by_its_inverse():
    mass = jnp.array([[2.0, 1.0], [0.5, 3.0]])
    field = lambda t, y, args: mass @ jnp.stack([-50.0 * (y[0] - jnp.cos(t)), y[0] - y[1] ** 2])
    plain = lambda t, y, args: jnp.stack([-50.0 * (y[0] - jnp.cos(t)), y[0] - y[1] ** 2])
    y0, fixed = jnp.array([0.5, 1.0]), dict(controller=sj.FixedStep(), dt0=0.02)
    ends = [
        sj.solve(sj.ODEProblem(f, y0, 0.0, 1.0, mass_matrix=m), TRBDF2(), **fixed).y1
        for f, m in ((field, mass), (plain, None))
    ]
    np.testing.assert_allclose(*ends, rtol=1e-11)


def test_the_order_is_not_reduced_on_prothero_and_robinsons_problem():
    problem = zoo.prothero_robinson(-1e6, 1.0).problem
    exact = zoo.prothero_robinson(-1e6, 1.0).exact(1.0, problem.args)
    sizes = [1 / 8, 1 / 16, 1 / 32, 1 / 64]
    solve = jax.jit(lambda dt: sj.solve(problem, TRBDF2(), controller=sj.FixedStep(), dt0=dt, max_steps=64).y1)
    errors = [float(abs(solve(dt) - exact)[0]) for dt in sizes]
    assert observed_order(sizes, errors) > 1.8, errors


def test_reverse_and_forward_mode_agree_to_rounding_and_with_differences():
    reverse, forward = (jax.jit(mode(lambda k: solve(k).y1))(RATES) for mode in (jax.jacrev, jax.jacfwd))
    np.testing.assert_allclose(reverse, forward, rtol=1e-10)
    move = jnp.array([1e-3, 0.0, 0.0]) * RATES
    difference = (solve(RATES + move).y1 - solve(RATES - move).y1) / (2 * move[0])
    np.testing.assert_allclose(reverse[:, 0], difference, rtol=1e-2)


def test_krylov_solutions_are_those_of_a_factorisation():
    sol, krylov = solve(RATES), solve(RATES, method=TRBDF2(linear_solver=GMRES()))
    np.testing.assert_allclose(krylov.y1, sol.y1, rtol=1e-4)
    assert int(krylov.stats.num_jvp) > int(krylov.stats.num_steps)


def test_a_stage_without_a_solution_ends_a_solve_with_fixed_steps():
    """`z = gamma h (z^2 + 1)` has no real root for `gamma h > 1/2`."""
    problem = sj.ODEProblem(lambda t, y, args: y**2 + 1.0, jnp.zeros(1), 0.0, 4.0)
    sol = sj.solve(problem, TRBDF2(), controller=sj.FixedStep(), dt0=2.0, on_failure="status")
    assert sj.Status(int(sol.status)) is sj.Status.SINGULAR


def test_single_precision_stays_single_and_keeps_the_tolerance():
    problem = sj.ODEProblem(robertson, START.astype(jnp.float32), 0.0, 40.0, RATES.astype(jnp.float32))
    sol = sj.solve(problem, TRBDF2(), rtol=1e-3, atol=1e-8)
    assert sol.y1.dtype == jnp.float32
    np.testing.assert_allclose(sol.y1, zoo.robertson(40.0).references[40.0], rtol=1e-2)
