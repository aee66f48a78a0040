"""The zoo's differential-algebraic problems have the index they claim, start consistently, and agree with SciPy.

N' f = 0 are the algebraic equations, with N the left null space of the mass matrix M. Differentiated along a solution
they determine with M y' = f the slope of the whole state: the underlying ordinary differential equation, for index 1.
For index 2 in Hessenberg form they are differentiated once before.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from sciml_jax import zoo

NAMES = sorted(zoo.with_tag("dae"))

# SciPy's method, rtol, atol, the last reference asked for, and the componentwise relative error allowed: three to ten
# times what was measured.
SCIPY = {
    "robertson_dae": ("Radau", 1e-7, 1e-18, 1e5, 3e-9),
    "akzo_nobel": ("Radau", 1e-8, 1e-12, 180.0, 3e-9),
    "transistor_amplifier": ("Radau", 1e-6, 1e-8, 0.05, 3e-6),
    "linear_dae": ("DOP853", 1e-13, 1e-15, 5.0, 5e-13),
    "modulated_hopf_dae": ("DOP853", 1e-13, 1e-15, 5.0, 5e-12),
    "pendulum": ("DOP853", 1e-13, 1e-15, 5.0, 5e-12),
    "pendulum_index2": ("DOP853", 1e-13, 1e-15, 5.0, 5e-12),
    "hessenberg_index2": ("DOP853", 1e-13, 1e-15, 1.0, 1e-13),
}


@pytest.fixture(params=NAMES)
def entry(request):
    return zoo.all_problems()[request.param]()


@functools.cache
def compiled(name):
    """(t, y) -> for index 1, then index 2: residual g of the algebraic equations, ∂g/∂y, and A, b of A y' = b.

    The equations as they stand for index 1, their derivative along the solution for index 2. A y' = b are the
    differential rows of M y' = f and the derivative of g.
    """
    problem = zoo.all_problems()[name]().problem
    left, sizes, _ = np.linalg.svd(np.asarray(problem.mass_matrix))
    rank = int(np.sum(sizes > 1e-12 * sizes[0]))
    kept, null = left[:, :rank].T, left[:, rank:].T
    field = lambda t, y: problem.vector_field(t, y, problem.args)
    algebraic = lambda t, y: null @ field(t, y)

    def differentiated(t, y):
        # For a mass matrix diag(1, ..., 1, 0): what the algebraic equations do not contain needs no slope.
        return jax.jvp(algebraic, (t, y), (jnp.ones_like(t), problem.mass_matrix @ field(t, y)))[1]

    def system(constraint, t, y):
        in_time, in_state = jax.jacfwd(constraint, argnums=(0, 1))(t, y)
        matrix = jnp.concatenate([kept @ problem.mass_matrix, in_state])
        # Rows in units of their largest entry, so that the condition says something.
        scale = jnp.max(jnp.abs(matrix), axis=1)
        right = jnp.concatenate([kept @ field(t, y), -in_time]) / scale
        return constraint(t, y), in_state, matrix / scale[:, None], right

    both = jax.jit(lambda t, y: (system(algebraic, t, y), system(differentiated, t, y)))
    return lambda t, y: jax.device_get(both(jnp.float64(t), y))


def index(entry):
    return int("index2" in entry.tags)


def slope_of(entry):
    """(t, y) -> y', the slope of the underlying ordinary differential equation."""
    of = compiled(entry.name)
    return lambda t, y: np.linalg.solve(*of(t, y)[index(entry)][2:])


def states(entry):
    """The initial value and the references, with their times."""
    yield 0.0, np.asarray(entry.problem.y0)
    yield from entry.references.items()


def test_the_mass_matrix_is_singular_and_not_zero(entry):
    matrix = np.asarray(entry.problem.mass_matrix)
    n = entry.problem.y0.size
    assert matrix.shape == (n, n)
    assert matrix.dtype == entry.problem.y0.dtype
    assert 0 < np.linalg.matrix_rank(matrix) < n


def test_a_mass_matrix_comes_with_the_tag():
    assert [name for name, of in zoo.all_problems().items() if of().problem.mass_matrix is not None] == list(
        zoo.with_tag("dae", "stiff")
    )


def test_the_index_is_the_one_claimed(entry):
    """The underlying slope exists at the solution after as many differentiations as the index says, and not before."""
    for t, y in states(entry):
        conditions = [np.linalg.cond(matrix) for _, _, matrix, _ in compiled(entry.name)(t, y)[: 1 + index(entry)]]
        assert conditions[index(entry)] < 1e9
        assert index(entry) == 0 or conditions[0] > 1e14


def test_every_known_state_is_consistent(entry):
    """The algebraic equations hold, hidden ones included, as closely as the accuracy of the state allows."""
    for t, y in states(entry):
        accuracy = max(entry.accuracy.get(t, 0.0), 1e-15)
        for residual, in_state, _, _ in compiled(entry.name)(t, y)[: 1 + index(entry)]:
            bound = 4.0 * accuracy * np.sum(np.abs(in_state * y), axis=1) + 1e-18
            assert np.all(np.abs(residual) <= bound), (t, residual, bound)


@pytest.mark.parametrize("name", [name for name in NAMES if zoo.all_problems()[name]().invariants])
def test_invariants_have_zero_derivative_along_the_solution(name):
    entry = zoo.all_problems()[name]()
    slope = slope_of(entry)
    for t, y in states(entry):
        velocity = slope(t, y)
        for invariant in entry.invariants.values():
            in_time, in_state = jax.grad(invariant, argnums=(0, 1))(t, y, entry.problem.args)
            terms = np.append(in_state * velocity, in_time)
            assert abs(terms.sum()) <= 1e-12 * (1e-3 + np.abs(terms).sum())


@pytest.mark.parametrize("name", SCIPY)
def test_scipy_reproduces_the_references_from_the_underlying_equation(name):
    entry = zoo.all_problems()[name]()
    method, rtol, atol, last, tolerance = SCIPY[name]
    slope = slope_of(entry)
    t0, y = 0.0, np.asarray(entry.problem.y0)
    # From one reference to the next, because SciPy's dense output is less accurate than its steps.
    for t1 in sorted(t for t in entry.references if t <= last):
        solution = solve_ivp(slope, (t0, t1), y, method, rtol=rtol, atol=atol)
        assert solution.success
        t0, y = t1, solution.y[:, -1]
        assert entry.relative_error(t1, y) <= tolerance, (t1, entry.relative_error(t1, y))


def test_scipy_is_asked_about_every_differential_algebraic_problem():
    assert sorted(SCIPY) == NAMES


def test_both_forms_of_a_problem_have_one_solution():
    np.testing.assert_array_equal(zoo.pendulum().references[5.0], zoo.pendulum_index2().references[5.0])
    np.testing.assert_array_equal(zoo.robertson().references[1e5], zoo.robertson_dae().references[1e5])
    plane = zoo.modulated_hopf_dae().references[5.0][:2]
    np.testing.assert_array_equal(plane, zoo.modulated_hopf().references[5.0])


def test_the_tension_after_a_quarter_period_is_three_times_the_weight():
    """At the lowest point, by the balance of energy: λ = v² + g = 3g."""
    problem = zoo.pendulum().problem
    gravity = float(problem.args[0])
    lowest = jnp.asarray([0.0, -1.0, -np.sqrt(2.0 * gravity), 0.0, 3.0 * gravity])
    assert abs(problem.vector_field(0.0, lowest, problem.args)[4]) <= 1e-13
    assert abs(zoo.pendulum().invariants["energy"](0.0, lowest, problem.args)) <= 1e-13
