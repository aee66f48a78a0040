"""Rosenbrock methods: order conditions of their tableaus, mass matrices, and what they cost."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from contracts.test_tableaus import density, trees

import sciml_jax as sj
from sciml_jax.equations.methods.rodas4 import Rodas4
from sciml_jax.equations.methods.rodas5p import Rodas5P
from sciml_jax.equations.methods.rosenbrock23 import Rosenbrock23
from sciml_jax.zoo.modulated_hopf_dae import modulated_hopf_dae

METHODS = [Rosenbrock23, Rodas4, Rodas5P]
DENSE_ORDER = {"Rosenbrock23": 2, "Rodas4": 3, "Rodas5P": 4}
all_methods = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
ROUNDING = 1e-13


def triangle(rows, stages):
    out = np.zeros((stages, stages))
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


class Coefficients:
    """The tableau as Rosenbrock's `alpha` and `gamma`; weights are over the slopes k_i."""

    def __init__(self, method):
        table, stages = method.tableau, len(method.tableau.c)
        self.gammas = np.linalg.inv(np.eye(stages) / table.gamma - triangle(table.coupling, stages))
        self.alphas = triangle(table.a, stages) @ self.gammas
        self.betas = self.alphas + self.gammas
        last, unit = triangle([table.a[-1]], stages)[0], np.eye(stages)[-1]
        own = last + unit if table.error is None else last
        self.error = (unit if table.error is None else np.array(table.error)) @ self.gammas
        self.weights = own @ self.gammas
        self._rows = [triangle([row], stages)[0] for row in table.dense]
        self._own = own

    def dense(self, s):
        polynomial = sum(row * s**i for i, row in enumerate(self._rows))
        return s * (self._own + (1 - s) * polynomial) @ self.gammas

    def of_tree(self, tree):
        """A node with one branch sees the Jacobian of the step too (Hairer & Wanner II, IV.7)."""
        matrix = self.betas if len(tree) == 1 else self.alphas
        return np.prod([matrix @ self.of_tree(child) for child in tree], axis=0) * np.ones(len(self.weights))

    def defect(self, weights, order, fraction=1.0):
        return max(abs(weights @ self.of_tree(tree) - fraction**order / density(tree)) for tree in trees(order))


@all_methods
def test_rows_sum_to_the_nodes_and_to_the_weights_of_the_time_derivative(method):
    own = Coefficients(method)
    np.testing.assert_allclose(own.alphas.sum(axis=1), method.tableau.c, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(own.gammas.sum(axis=1), method.tableau.d, rtol=0, atol=ROUNDING)


@all_methods
def test_the_solution_meets_every_condition_up_to_its_order_and_not_beyond(method):
    own = Coefficients(method)
    for order in range(1, method.order + 1):
        assert own.defect(own.weights, order) < ROUNDING, order
    assert own.defect(own.weights, method.order + 1) > 1e-3


@all_methods
def test_the_error_estimate_behaves_as_the_order_that_it_states(method):
    own = Coefficients(method)
    conditions = [max(abs(own.error @ own.of_tree(tree)) for tree in trees(order)) for order in range(1, 6)]
    assert max(conditions[: method.error_order - 1]) < ROUNDING
    assert conditions[method.error_order - 1] > 1e-3


@all_methods
def test_the_dense_output_meets_every_condition_up_to_its_order(method):
    own = Coefficients(method)
    for fraction in (0.21, 0.5, 0.83):
        for order in range(1, DENSE_ORDER[method.__name__] + 1):
            assert own.defect(own.dense(fraction), order, fraction) < ROUNDING, (fraction, order)


@all_methods
def test_the_stability_function_is_bounded_on_the_left_and_vanishes_at_infinity(method):
    own = Coefficients(method)
    ones = np.ones(len(own.weights))
    growth = lambda z: 1 + z * own.weights @ np.linalg.solve(np.eye(len(ones)) - z * own.betas, ones)
    assert abs(growth(-1e8)) < 1e-6
    # On the imaginary axis, and by the maximum principle to the left of it.
    assert max(abs(growth(1j * y)) for y in np.geomspace(1e-2, 1e4, 200)) < 1 + 1e-12


@pytest.mark.parametrize(("method", "order"), [(Rosenbrock23(), 2), (Rodas4(), 4)], ids=["Rosenbrock23", "Rodas4"])
def test_differential_and_algebraic_variables_converge_with_the_order_of_the_method(method, order):
    zoo = modulated_hopf_dae(2.0)
    exact = zoo.exact(2.0, zoo.problem.args)
    error = lambda n: np.abs(sj.solve(zoo.problem, method, dt0=2.0 / n, controller=sj.FixedStep()).y1 - exact)
    coarse, fine = error(40), error(80)
    assert np.all(np.log2(coarse / fine) > order - 0.3), np.log2(coarse / fine)
    assert np.all(fine < {2: 2e-3, 4: 2e-5}[order])


MATRIX = np.array([[2.0, 1.0, 0.0], [0.5, 3.0, 0.0], [0.0, -1.0, 1.0]])


def oregonator_like(t, y, k):
    """Three species, stiff, nonautonomous."""
    return jnp.stack(
        [k[0] * (y[1] - y[0] * y[1] + y[0] - y[0] ** 2), (y[2] - y[1] * (1 + y[0])) / k[0], jnp.cos(t) * y[0] - y[2]]
    )


def weighted(t, y, args):
    matrix, k = args
    return matrix @ oregonator_like(t, y, k)


START, RATES = np.array([1.0, 2.0, 0.5]), np.array([8.0])


@pytest.mark.parametrize("method", [Rosenbrock23(), Rodas4()], ids=["Rosenbrock23", "Rodas4"])
def test_a_regular_mass_matrix_gives_the_steps_and_values_of_the_plain_equation(method):
    plain = sj.ODEProblem(oregonator_like, START, 0.0, 3.0, RATES)
    massive = sj.ODEProblem(weighted, START, 0.0, 3.0, (MATRIX, RATES), mass_matrix=MATRIX)
    options = {"rtol": 1e-6, "atol": 1e-8, "saveat": np.linspace(0.1, 2.9, 7)}
    expected, found = sj.solve(plain, method, **options), sj.solve(massive, method, **options)
    assert found.stats.num_steps == expected.stats.num_steps
    np.testing.assert_allclose(found.ys, expected.ys, rtol=1e-9)


@pytest.mark.parametrize("scale", [1e6, 1e-6])
@pytest.mark.parametrize("form", ["diagonal", "matrix"])
def test_the_first_step_does_not_depend_on_the_scale_of_the_equations(scale, form):
    """`f` is not y' with a mass matrix; taken for it, the first step is far too small or too large."""
    plain = sj.solve(sj.ODEProblem(oregonator_like, START, 0.0, 3.0, RATES), Rodas4())
    mass = scale * (np.ones(3) if form == "diagonal" else MATRIX)
    matrix = np.diag(mass) if form == "diagonal" else mass
    massive = sj.solve(sj.ODEProblem(weighted, START, 0.0, 3.0, (matrix, RATES), mass_matrix=mass), Rodas4())
    assert abs(int(massive.stats.num_steps) - int(plain.stats.num_steps)) <= (0 if form == "diagonal" else 1)
    np.testing.assert_allclose(massive.y1, plain.y1, rtol=1e-9)


def test_derivatives_with_respect_to_the_mass_matrix_are_those_of_its_inverse():
    """Reverse and forward mode through a traced matrix agree with the equation divided by it."""

    def end(matrix, is_divided):
        if is_divided:
            field = lambda t, y, args: args[0] @ oregonator_like(t, y, args[1])
            problem = sj.ODEProblem(field, START, 0.0, 0.5, (jnp.linalg.inv(matrix), RATES))
        else:
            problem = sj.ODEProblem(oregonator_like, START, 0.0, 0.5, RATES, mass_matrix=matrix)
        return sj.solve(problem, Rosenbrock23(), dt0=0.01, controller=sj.FixedStep()).y1[0]

    expected = jax.grad(end)(MATRIX, True)
    np.testing.assert_allclose(jax.grad(end)(MATRIX, False), expected, rtol=1e-8, atol=1e-10)
    _, forward = jax.jvp(lambda matrix: end(matrix, False), (MATRIX,), (np.ones((3, 3)),))
    np.testing.assert_allclose(forward, jnp.sum(expected), rtol=1e-8)


def test_rosenbrock23_evaluates_twice_in_a_step_because_its_last_stage_is_the_next_first():
    sol = sj.solve(sj.ODEProblem(oregonator_like, START, 0.0, 3.0, RATES), Rosenbrock23())
    assert sol.stats.num_vector_field == 2 + 2 * sol.stats.num_steps
    assert sol.stats.num_jacobian == sol.stats.num_steps
