"""`RadauIIA5`: its coefficients, stiff problems, DAEs of index 1 to 3, its work, and its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import observed_order
from scipy.integrate import solve_ivp

import sciml_jax as sj
from sciml_jax import zoo
from sciml_jax.core.status import Status
from sciml_jax.equations.methods.radau import RadauIIA5
from sciml_jax.equations.methods.radau_coefficients import (
    COMPLEX_SHIFT,
    ERROR,
    FROM_MODES,
    INVERSE,
    NODES,
    REAL_SHIFT,
    TO_MODES,
    interpolation_weights,
)

POWERS = np.arange(1, 6)


def test_the_collocation_conditions_hold_at_every_node_and_to_order_five_at_the_end():
    inverse, nodes = np.array(INVERSE), np.array(NODES)
    matrix = np.linalg.inv(inverse)
    for q in (1, 2, 3):
        np.testing.assert_allclose(matrix @ nodes ** (q - 1), nodes**q / q, rtol=0, atol=1e-15)
    moments = [matrix[-1] @ nodes ** (q - 1) - 1 / q for q in range(1, 7)]
    np.testing.assert_allclose(moments[:5], 0, atol=1e-15)
    # One order more than it has would be another method.
    assert abs(moments[5]) > 1e-3


def test_the_modes_bring_the_inverse_to_its_real_block_form():
    a, b = COMPLEX_SHIFT.real, COMPLEX_SHIFT.imag
    blocks = np.array([[REAL_SHIFT, 0, 0], [0, a, -b], [0, b, a]])
    np.testing.assert_allclose(np.array(TO_MODES) @ INVERSE @ FROM_MODES, blocks, rtol=0, atol=1e-14)
    np.testing.assert_allclose(np.array(TO_MODES) @ FROM_MODES, np.eye(3), rtol=0, atol=1e-14)


def test_the_error_weights_vanish_with_the_slope_for_polynomials_of_degree_three():
    """`h y'(0) + sum e_i z_i` for `z = c^q`: zero up to the order of the estimate, not beyond."""
    moments = [float(q == 1) + np.dot(ERROR, np.array(NODES) ** q) for q in range(1, 5)]
    np.testing.assert_allclose(moments[:3], 0, atol=1e-14)
    assert abs(moments[3]) > 1e-3


def test_the_interpolation_weights_give_back_cubics_without_a_constant():
    for s in (0.0, 0.3, 1.0, 1.7):
        weights = np.array(interpolation_weights(s))
        np.testing.assert_allclose([weights @ np.array(NODES) ** q for q in (1, 2, 3)], [s, s**2, s**3], atol=1e-14)


def compiled(name, method=RadauIIA5(), **options):
    """`(rtol, atol) -> Solution` of a problem of the zoo."""
    problem = getattr(zoo, name)().problem
    solve = lambda problem, rtol, atol: sj.solve(problem, method, rtol=rtol, atol=atol, on_failure="status", **options)
    return lambda rtol, atol: jax.device_get(jax.jit(solve)(problem, rtol, atol))


def reference(name):
    entry = getattr(zoo, name)()
    if entry.exact is not None:
        return np.asarray(entry.exact(entry.problem.t1, entry.problem.args))
    return entry.references[entry.problem.t1]


# problem, atol/rtol, the steps of SciPy's Radau (another code of the same method, whose estimate is not weighted)
PROBLEMS = [
    ("robertson", 1e-4, (66, 188, 573)),
    ("oregonator", 1e-4, (364, 1062, 3275)),
    ("van_der_pol", 1e-4, (319, 914, 2878)),
    ("hires", 1e-4, (75, 210, 635)),
    ("robertson_dae", 1e-4, None),
    pytest.param("modulated_hopf_dae", 1.0, None, marks=pytest.mark.full),
    pytest.param("pollution", 1.0, None, marks=pytest.mark.full),
    pytest.param("e5", 1e-20, None, marks=pytest.mark.full),
    pytest.param("akzo_nobel", 1.0, None, marks=pytest.mark.full),
    pytest.param("transistor_amplifier", 1.0, None, marks=pytest.mark.full),
    pytest.param("pendulum", 1.0, None, marks=pytest.mark.full),
]


@pytest.mark.parametrize(("name", "ratio", "others"), PROBLEMS)
def test_the_error_is_within_ten_tolerances_and_the_steps_are_fewer_than_those_of_another_code(name, ratio, others):
    solve, expected = compiled(name), reference(name)
    for i, rtol in enumerate((1e-4, 1e-6, 1e-8)):
        sol = solve(rtol, ratio * rtol)
        assert Status(int(sol.status)).is_success
        scaled = np.abs(sol.y1 - expected) / (ratio * rtol + rtol * np.abs(expected))
        assert np.max(scaled) < 10, (rtol, scaled)
        if others is not None:
            # The weight of the estimate makes steps longer by its fourth root.
            allowed = others[i] * min(1, 20 * rtol ** (1 / 3)) ** 0.25
            assert 0.8 * allowed < int(sol.stats.num_accepted) < 1.2 * allowed, (rtol, sol.stats)
            assert int(sol.stats.num_rejected) < 0.25 * int(sol.stats.num_accepted) + 5


def test_jacobians_and_factors_are_kept_while_the_iteration_converges():
    stats = compiled("robertson")(1e-8, 1e-12).stats
    steps = int(stats.num_steps)
    assert int(stats.num_jacobian) < 0.3 * steps
    # Two for every change of matrix: a real one and a complex one.
    assert int(stats.num_factorisation) < 1.2 * steps
    assert int(stats.num_vector_field) < 9 * steps


def test_a_solve_with_the_same_step_size_factorises_once():
    """A linear problem with constant slope: after the growth of the first steps nothing changes."""
    problem = sj.ODEProblem(lambda t, y, a: a @ y, jnp.ones(2), 0.0, 10.0, jnp.array([[-1.0, 30.0], [-30.0, -1.0]]))
    sol = sj.solve(problem, RadauIIA5(), rtol=1e-8, atol=1e-8)
    # Another one where the last step is stretched to the end.
    assert int(sol.stats.num_jacobian) <= 2
    assert int(sol.stats.num_factorisation) < 0.5 * int(sol.stats.num_steps)
    exact = jax.scipy.linalg.expm(10.0 * problem.args) @ problem.y0
    np.testing.assert_allclose(sol.y1, exact, rtol=0, atol=3e-8)


def prothero_robinson_errors(stiffness, counts):
    """With `y' = -k (y - sin t) + cos t` from the exact start, in fixed steps over [0.3, 1.3]."""
    field = lambda t, y, k: -k * (y - jnp.sin(t)) + jnp.cos(t)

    @jax.jit
    def error(dt):
        problem = sj.ODEProblem(field, jnp.sin(jnp.array([0.3])), 0.3, 1.3, stiffness)
        sol = sj.solve(problem, RadauIIA5(), controller=sj.FixedStep(), dt0=dt, max_steps=256)
        return jnp.abs(sol.y1 - jnp.sin(1.3))[0]

    return [float(error(1.0 / n)) for n in counts]


def test_the_order_falls_to_that_of_the_stages_where_the_problem_is_stiff():
    """On the equation of Prothero and Robinson the error is as `h^3 / k` for large k and as `h^5` for small."""
    counts = (8, 16, 32, 64)
    sizes = [1.0 / n for n in counts]
    assert abs(observed_order(sizes, prothero_robinson_errors(1.0, counts)) - 5) < 0.25
    stiff = prothero_robinson_errors(1e5, counts)
    assert abs(observed_order(sizes, stiff) - 3) < 0.1, stiff
    # An error in proportion to the stiffness.
    ratio = stiff[0] / prothero_robinson_errors(1e6, counts[:1])[0]
    assert 8 < ratio < 12


def hessenberg_errors(counts):
    entry = zoo.hessenberg_index2()

    @jax.jit
    def errors(dt):
        sol = sj.solve(entry.problem, RadauIIA5(), controller=sj.FixedStep(), dt0=dt, max_steps=128)
        return jnp.abs(sol.y1 - entry.exact(1.0, entry.problem.args))

    return np.array([errors(1.0 / n) for n in counts])


def test_at_index_two_the_differential_variables_have_order_five_and_the_algebraic_one_three():
    counts = (20, 24, 32, 40, 48)
    errors = hessenberg_errors(counts)
    sizes = [1.0 / n for n in counts]
    assert abs(observed_order(sizes, errors[:, 0]) - 5) < 0.5, errors
    assert abs(observed_order(sizes, errors[:, 2]) - 3) < 0.5, errors


@pytest.mark.parametrize("index", [None, (1, 1, 1, 1, 2)])
def test_the_pendulum_of_index_two_is_solved_whether_or_not_the_index_is_given(index):
    entry = zoo.pendulum_index2(2.0)
    sol = sj.solve(entry.problem, RadauIIA5(index=index), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(sol.y1[:4], entry.references[2.0][:4], rtol=0, atol=1e-5)
    np.testing.assert_allclose(sol.y1[4], entry.references[2.0][4], rtol=0, atol=1e-3)
    assert abs(float(entry.invariants["tangency"](2.0, sol.y1, None))) < 1e-6
    assert int(sol.stats.num_steps) < 130


def test_the_pendulum_of_index_three_is_solved_with_its_index():
    def field(t, y, g):
        x, z, u, v, tension = y
        return jnp.stack([u, v, -tension * x, -tension * z - g, x * x + z * z - 1.0])

    entry = zoo.pendulum_index2(1.0)
    mass = jnp.array([1.0, 1.0, 1.0, 1.0, 0.0])
    problem = sj.ODEProblem(field, entry.problem.y0, 0.0, 1.0, 9.81, mass_matrix=mass)
    sol = sj.solve(problem, RadauIIA5(index=(1, 1, 2, 2, 3)), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(sol.y1[:4], entry.references[1.0][:4], rtol=0, atol=1e-4)
    assert abs(float(entry.invariants["length"](1.0, sol.y1, None)) - 1) < 1e-8


def decay(t, y, rates):
    """Stiff and nonlinear, three numbers."""
    r1, r2, r3 = rates[0] * y[0], rates[1] * y[1] ** 2, rates[2] * y[1] * y[2]
    return jnp.stack([-r1 + r3, r1 - r3 - r2, r2])


RATES = jnp.array([0.04, 3e3, 1e2])


WEIGHTS = jnp.array([1.0, 100.0, 2.0])


def algebraic(t, y, rates):
    """The same with the sum of the numbers in the place of the last equation."""
    slope = decay(t, y, rates)
    return jnp.stack([slope[0], slope[1], jnp.sum(y) - 1.0])


def observed(rates):
    mass = jnp.array([1.0, 1.0, 0.0])
    problem = sj.ODEProblem(algebraic, jnp.array([1.0, 0.0, 0.0]), 0.0, 10.0, rates, mass_matrix=mass)
    return jnp.dot(WEIGHTS, sj.solve(problem, RadauIIA5(), rtol=1e-10, atol=1e-14).y1)


def differences(function, point):
    """Central differences of a function's first result, one row per number of the point."""
    steps = 1e-4 * np.diag(point)
    return np.array([(function(point + s)[0] - function(point - s)[0]) / (2 * np.sum(s)) for s in steps])


def test_gradients_through_a_dae_agree_with_differences():
    both = jax.jit(jax.value_and_grad(observed))
    np.testing.assert_allclose(both(RATES)[1], differences(both, RATES), rtol=1e-5)


@pytest.mark.full
def test_hessians_agree_with_differences_of_gradients():
    gradient = jax.jit(jax.grad(observed))
    hessian = jax.jit(jax.hessian(observed))(RATES)
    size = np.outer(RATES, RATES)
    expected = differences(lambda rates: (gradient(rates),), RATES)
    np.testing.assert_allclose(hessian * size, expected * size, rtol=0, atol=1e-5)


def chain(t, y, rates):
    """A nonlinear diffusion of twelve numbers with neighbours."""
    left, right = jnp.roll(y, 1).at[0].set(y[0]), jnp.roll(y, -1).at[-1].set(y[-1])
    return rates[0] * 1e3 * (left - 2 * y + right) * (1 + y**2) - rates[1] * y


CHAIN = np.abs(np.subtract.outer(np.arange(12), np.arange(12))) <= 1


def test_gradients_through_sparse_jacobians_agree_with_differences():
    """The systems of a step in the pattern's structure, real and complex, and that of all stages for the derivative."""
    y0 = jnp.zeros(12).at[0].set(1.0)

    def observe(rates):
        problem = sj.ODEProblem(chain, y0, 0.0, 0.01, rates, sparsity=CHAIN)
        sol = sj.solve(problem, RadauIIA5(), rtol=1e-9, atol=1e-11)
        return jnp.sum(sol.y1**2), (sol.y1, sol.stats)

    rates = jnp.array([1.3, 20.0])
    both = jax.jit(jax.value_and_grad(observe, has_aux=True))
    (_, (y1, stats)), gradient = both(rates)
    # Three colours.
    assert int(stats.num_jvp) == 3 * int(stats.num_jacobian)
    field = jax.jit(chain)
    other = solve_ivp(lambda t, y: field(t, y, rates), (0.0, 0.01), y0, "LSODA", rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(y1, other.y[:, -1], rtol=0, atol=1e-7)
    np.testing.assert_allclose(gradient, differences(lambda rates: both(rates)[0], rates), rtol=1e-5)


def test_float32_lanes_are_solved_to_their_tolerance():
    rates = jnp.stack([RATES * scale for scale in (0.5, 1.0, 2.0)])

    def single(rates):
        problem = sj.ODEProblem(decay, jnp.array([1.0, 0.0, 0.0], jnp.float32), 0.0, 10.0, rates)
        return sj.solve(problem, RadauIIA5(), rtol=1e-4, atol=1e-8).y1

    found = jax.jit(jax.vmap(single))(rates.astype(jnp.float32))
    assert found.dtype == jnp.float32
    field = jax.jit(decay)
    for lane, k in zip(found, rates, strict=True):
        start = np.array([1.0, 0.0, 0.0])
        other = solve_ivp(lambda t, y, k=k: field(t, y, k), (0.0, 10.0), start, "LSODA", rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(lane, other.y[:, -1], rtol=1e-3)


def test_a_singular_iteration_matrix_ends_in_a_status():
    """`0 = y_1 - t` twice: nothing determines the second variable."""
    field = lambda t, y, args: jnp.stack([y[0] - t, y[0] - t])
    problem = sj.ODEProblem(field, jnp.zeros(2), 0.0, 1.0, mass_matrix=jnp.zeros((2, 2)))
    sol = sj.solve(problem, RadauIIA5(), rtol=1e-6, atol=1e-6, on_failure="status")
    assert Status(int(sol.status)) in (Status.SINGULAR, Status.NON_FINITE)


@pytest.mark.parametrize("index", [(1, 4), (1.0, 2.0), (0, 1)])
def test_an_index_that_is_none_is_refused(index):
    with pytest.raises(ValueError, match=r"`index` of `RadauIIA5` must have an integer from 1 to 3"):
        RadauIIA5(index=index)


@pytest.mark.parametrize("mass", [None, jnp.array([1.0, 1.0, 0.0])])
def test_an_index_that_does_not_fit_the_problem_is_refused(mass):
    problem = sj.ODEProblem(decay, jnp.array([1.0, 0.0, 0.0]), 0.0, 1.0, RATES, mass_matrix=mass)
    with pytest.raises(ValueError, match=r"`index` of `RadauIIA5` must have an integer for every number .* got"):
        sj.solve(problem, RadauIIA5(index=(1, 2)))


def test_gmres_is_refused_with_the_method_that_takes_it():
    problem = sj.ODEProblem(decay, jnp.array([1.0, 0.0, 0.0]), 0.0, 1.0, RATES)
    with pytest.raises(ValueError, match=r"complex linear systems.*sj\.BDF\(linear_solver"):
        sj.solve(problem, RadauIIA5(linear_solver=sj.GMRES()))
