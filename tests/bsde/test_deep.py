"""The methods with networks against closed forms; they must see a factor of two in the driver."""

import jax
import jax.numpy as jnp
import pytest

import sciml_jax as sj
from sciml_jax.bsde import FBSNN, DeepBSDE, ParabolicProblem

from .equations import allen_cahn, barenblatt, barenblatt_value, control, control_value

SHORT = DeepBSDE(num_steps=20, num_iterations=100, batch_size=64, num_paths=4096, width=16, learning_rate=1e-2)


@pytest.fixture(scope="module")
def short():
    return sj.solve(control(10), SHORT, key=0)


def test_control_in_ten_dimensions(short):
    """Half and twice the strength differ by 0.8 % and 1.6 % here."""
    exact = control_value(10)
    assert abs(short.u0 / exact - 1) < 3e-3 and abs(short.u0 - exact) < 2 * short.u0_error
    assert short.u0_standard_error < 1.5e-3 * exact
    assert abs(exact / control_value(10, 2.0) - 1) > 9e-3 and abs(exact / control_value(10, 0.5) - 1) > 5e-3


def test_the_gradient_is_a_function_of_time_and_place(short):
    """At the end the gradient of the terminal condition, 2 x / (1 + |x|^2); at the start zero, by symmetry."""
    x = jnp.linspace(0.5, 1.5, 10)
    found = short.gradient(0.0, jnp.zeros(10))
    assert jnp.linalg.norm(found) < 0.2
    assert jnp.linalg.norm(short.gradient(1.0, x) - 2 * x / (1 + x @ x)) < 0.5 * jnp.linalg.norm(2 * x / (1 + x @ x))
    assert jnp.allclose(short.z(0.5, x), jnp.sqrt(2.0) * short.gradient(0.5, x))


def test_both_meanings_of_z_are_the_same_equation():
    """sigma = sqrt 2: |sigma grad u|^2 / 2 is |grad u|^2."""
    x, z = jnp.ones(3), jnp.array([0.1, -2.0, 0.7])
    one, other = control(3), control(3, z="grad")
    assert abs(one.f(0.0, x, 1.0, z) - other.f(0.0, x, 1.0, z)) < 1e-14
    assert jnp.allclose(one.to_z(0.0, x, z), jnp.sqrt(2.0) * z) and jnp.allclose(one.f(0.0, x, 1.0, z), -0.5 * z @ z)


@pytest.mark.full
def test_one_network_of_the_solution():
    method = FBSNN(num_steps=20, num_iterations=100, batch_size=64, num_paths=4096, width=16, learning_rate=1e-2)
    sol = sj.solve(control(10), method, key=0)
    exact = control_value(10)
    assert abs(sol.u0 / exact - 1) < 4e-3 and abs(sol.u0 - exact) < 2 * sol.u0_error
    assert abs(sol(0.0, jnp.zeros(10)) / exact - 1) < 0.03
    x = jnp.linspace(0.5, 1.5, 10)
    assert abs(sol(1.0, x) - jnp.log(0.5 * (1 + x @ x))) < 1e-12


@pytest.mark.full
def test_a_derivative_through_the_solve():
    """d u0 / d sigma of E|x0 + sigma W|^2 e^{-1/10} is 2 d sigma e^{-1/10}, with the network held."""

    def value(sigma):
        problem = ParabolicProblem(0.0, sigma, lambda t, x, u, z: -0.1 * u, lambda x: jnp.sum(x**2), jnp.ones(3), 1.0)
        method = DeepBSDE(num_steps=8, num_iterations=10, batch_size=32, num_paths=4096, width=8)
        return sj.solve(problem, method, key=0, on_failure="return").u0

    found, slope = jax.value_and_grad(value)(1.5)
    decay = float(jnp.exp(-0.1))
    assert abs(found / (decay * (3 + 3 * 1.5**2)) - 1) < 5e-3
    assert abs(slope / (decay * 2 * 3 * 1.5) - 1) < 0.03


@pytest.mark.full
@pytest.mark.parametrize("strength", [0.5, 1.0, 2.0, 10.0])
def test_control_in_a_hundred_dimensions(strength):
    """Neighbouring strengths differ by 0.11 % and more."""
    sol = sj.solve(control(100, strength), DeepBSDE(), key=0)
    exact = control_value(100, strength)
    assert abs(sol.u0 / exact - 1) < 5e-4 and abs(sol.u0 - exact) < 2 * sol.u0_error


@pytest.mark.full
def test_allen_cahn_and_barenblatt_in_a_hundred_dimensions():
    sol = sj.solve(allen_cahn(100), DeepBSDE(learning_rate=2e-3), key=0)
    assert abs(sol.u0 / 0.05278135741 - 1) < 1e-3 and abs(sol.u0 - 0.05278135741) < 2 * sol.u0_error
    sol = sj.solve(barenblatt(100), DeepBSDE(learning_rate=2e-3), key=0)
    exact = barenblatt_value(100)
    assert abs(sol.u0 / exact - 1) < 4e-3 and abs(sol.u0 - exact) < 2 * sol.u0_error


@pytest.mark.full
def test_independent_trainings_in_one_program_are_covered():
    """Of 8 keys at least 7 lie within two of their errors."""
    problem = control(5)
    method = DeepBSDE(num_steps=10, num_iterations=100, batch_size=64, num_paths=2048, width=16)
    keys = jax.random.split(jax.random.key(3), 8)
    sols = jax.vmap(lambda key: sj.solve(problem, method, key=key, on_failure="return"))(keys)
    assert jnp.sum(jnp.abs(sols.u0 - control_value(5)) < 2 * sols.u0_error) >= 7
