"""Multilevel Picard iteration against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.bsde import MultilevelPicard, ParabolicProblem
from sciml_jax.bsde.dependence import depends_on

from .equations import allen_cahn, control, control_value


def test_a_linear_equation_in_u():
    """f = -u / 2: exp(-1/2) times the heat equation; three iterations give 1 - 1/2 + 1/8. Twice the rate gives 1."""
    problem = ParabolicProblem(0.0, 1.0, lambda t, x, u, z: -0.5 * u, lambda x: 3.0 + jnp.sum(x**2), jnp.zeros(2), 1.0)
    sol = sj.solve(problem, MultilevelPicard(level=3, basis=6, num_repeats=16), key=0)
    assert abs(sol.u0 - 5 * np.exp(-0.5)) < 2 * sol.u0_error
    assert abs(sol.u0 - 5 * 0.625) < 3 * sol.u0_standard_error < 0.3


def test_a_linear_equation_in_z():
    """f = z / 2 moves the drift: u = (x + t / 2)^2 + t = 3.25, of which two iterations give 3 on average."""
    problem = ParabolicProblem(0.0, 1.0, lambda t, x, u, z: 0.5 * z[0], lambda x: x[0] ** 2, jnp.ones(1), 1.0)
    sol = sj.solve(problem, MultilevelPicard(level=2, basis=16, num_repeats=16), key=0)
    assert abs(sol.u0 - 3.0) < 3 * sol.u0_standard_error < 0.3
    assert abs(sol.u0 - 3.25) < 2 * sol.u0_error


@pytest.mark.full
@pytest.mark.parametrize("strength", [1.0, 2.0])
def test_control_in_a_hundred_dimensions(strength):
    sol = sj.solve(control(100, strength), MultilevelPicard(), key=0)
    exact = control_value(100, strength)
    assert abs(sol.u0 / exact - 1) < 2e-3 and abs(sol.u0 - exact) < 2 * sol.u0_error


@pytest.mark.full
def test_allen_cahn_in_a_hundred_dimensions():
    sol = sj.solve(allen_cahn(100), MultilevelPicard(), key=0)
    assert abs(sol.u0 / 0.05278135741 - 1) < 6e-3 and abs(sol.u0 - 0.05278135741) < 2 * sol.u0_error


def test_dependence_on_an_argument_is_read_off_the_program():
    args = (jnp.ones(()), jnp.ones(2))
    assert depends_on(lambda u, z: u * jnp.sum(z), 1, *args)
    assert not depends_on(lambda u, z: u**3, 1, *args)
    assert depends_on(lambda u, z: jax.lax.cond(u > 0, lambda: z[0], lambda: u), 1, *args)
