"""Linear equations against closed forms, with coverage of the standard error."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.bsde import FeynmanKac, ParabolicProblem
from sciml_jax.bsde.lattice import lattice_vector

from .equations import barenblatt, barenblatt_value

SMALL = FeynmanKac(num_points=251, num_shifts=16, num_steps=8)


def heat(dim):
    return ParabolicProblem(0.0, jnp.sqrt(2.0), None, lambda x: jnp.sum(x**2), jnp.ones(dim), 1.0)


@pytest.mark.parametrize("dim", [1, 10, 100])
def test_the_heat_equation_is_solved(dim):
    sol = sj.solve(heat(dim), FeynmanKac(num_points=509, num_shifts=16), key=1)
    assert abs(sol.u0 / (3 * dim) - 1) < 1e-3
    by_random_points = np.sqrt(16 * dim / (509 * 16))
    assert sol.u0_standard_error < by_random_points / 5


def test_a_matrix_with_more_noises_than_coordinates_is_their_covariance():
    sigma = jnp.array([[1.0, 0.5, 0.0], [0.0, 1.0, 2.0]])
    problem = ParabolicProblem(
        jnp.array([1.0, 0.0]), sigma, None, lambda x: x[0] ** 2 + 3 * x[0] * x[1], jnp.ones(2), 0.5, z="sigma_grad"
    )
    exact = 1.5**2 + 0.5 * 1.25 + 3 * (1.5 + 0.5 * 0.5)
    assert abs(sj.solve(problem, SMALL, key=0).u0 / exact - 1) < 2e-3


@pytest.mark.parametrize("dim", [10])
def test_a_driver_with_the_gradient_moves_the_drift(dim):
    """A factor of two in the driver's rate would be 5 %, a wrong meaning of z as much."""
    sol = sj.solve(barenblatt(dim), SMALL, key=0)
    assert abs(sol.u0 / barenblatt_value(dim) - 1) < 2e-3
    assert abs(sol.u0 - barenblatt_value(dim)) < 3 * sol.u0_error


def test_a_source_and_a_discount_enter_with_their_signs():
    """u = e^{-a s} (x + c (e^{a s} - 1) / a) with s = 1 left, for f = c - a u."""
    problem = ParabolicProblem(0.0, 1.0, lambda t, x, u, z: 2.0 - 0.7 * u, lambda x: x[0], jnp.array([3.0]), 1.0)
    exact = 3 * np.exp(-0.7) + 2 * (1 - np.exp(-0.7)) / 0.7
    assert abs(sj.solve(problem, SMALL, key=0).u0 / exact - 1) < 1e-3


def call(volatility, rate):
    """A call on 100 at 100 in one year, the exact step given."""
    return ParabolicProblem(
        drift=lambda t, x: rate * x,
        diffusion=lambda t, x: volatility * x,
        driver=lambda t, x, u, z: -rate * u,
        terminal=lambda x: jnp.maximum(x[0] - 100.0, 0.0),
        x0=jnp.array([100.0]),
        t1=1.0,
        transition=lambda t, x, dt, dw: x * jnp.exp((rate - 0.5 * volatility**2) * dt + volatility * dw),
    )


def test_a_call_with_its_derivatives():
    """Black and Scholes: 10.4506, vega 37.524, rho 53.232."""

    def price(volatility, rate):
        return sj.solve(call(volatility, rate), FeynmanKac(num_points=1021, num_shifts=8, num_steps=1), key=0).u0

    value, (vega, rho) = jax.value_and_grad(price, argnums=(0, 1))(0.2, 0.05)
    assert abs(value / 10.450583572 - 1) < 1e-3
    assert abs(vega / 37.52403 - 1) < 3e-3 and abs(rho / 53.23248 - 1) < 3e-3


def test_the_standard_error_covers():
    """Over 200 keys, |error| < 2 standard errors in 88 to 99 of 100 cases (8 shifts, Student's t: 91.4 expected)."""
    method = FeynmanKac(num_points=61, num_shifts=8)
    problem = ParabolicProblem(0.0, 1.0, None, lambda x: jnp.exp(0.5 * jnp.sum(x)), jnp.zeros(3), 1.0)

    def one(key):
        sol = sj.solve(problem, method, key=key, on_failure="return")
        return sol.u0, sol.u0_standard_error

    values, errors = jax.vmap(one)(jax.random.split(jax.random.key(5), 200))
    exact = np.exp(3 * 0.125)
    covered = float(jnp.mean(jnp.abs(values - exact) < 2 * errors))
    assert 0.85 < covered < 0.975
    assert abs(jnp.mean(values) - exact) < 4 * jnp.std(values) / np.sqrt(200)


def test_the_lattice_integrates_better_than_random_points():
    """The worst-case error of the built vector beats random vectors' median by far."""

    def badness(vector, n=251):
        x = np.arange(n)[:, None] * vector[None] % n / n
        weights = 1 / np.arange(1, len(vector) + 1) ** 2
        return np.mean(np.prod(1 + weights * 2 * np.pi**2 * (x**2 - x + 1 / 6), axis=1)) - 1

    rng = np.random.default_rng(0)
    random = [badness(rng.integers(1, 251, 8)) for _ in range(20)]
    assert badness(lattice_vector(251, 8)) < 0.9 * min(random)
