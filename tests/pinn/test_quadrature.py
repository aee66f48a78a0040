"""Integrals and fractional derivatives in residuals equal their exact values, and equations with them are solved."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

pinn = sj.pinn
LINE = pinn.Box({"t": (0.0, 2.0)})
SMALL = pinn.PINN(width=6, depth=1, num_points=40, num_steps=40, block=20)
TIMES = jnp.linspace(0.0, 2.0, 41)[:, None]


def test_integrals_are_exact_for_polynomials_and_can_be_differentiated_by_their_bounds():
    power = lambda b: pinn.integrate(lambda s: {"a": s**7, "b": jnp.stack([s, 1.0])}, 0.5, b, num_points=4)
    found, slope = jax.jvp(power, (2.0,), (1.0,))
    np.testing.assert_allclose(found["a"], (2.0**8 - 0.5**8) / 8, rtol=1e-14)
    np.testing.assert_allclose(found["b"], [(4 - 0.25) / 2, 1.5], rtol=1e-14)
    np.testing.assert_allclose(slope["a"], 2.0**7, rtol=1e-13)


@pytest.mark.parametrize("order", [0.3, 0.5, 0.9, 1.5])
@pytest.mark.parametrize("power", [2, 5])
def test_the_fractional_derivative_of_a_power_is_the_exact_power(order, power):
    found = pinn.caputo_derivative(lambda z: z[1] ** power, jnp.array([7.0, 1.7]), 1, order, num_points=6)
    expected = math.gamma(power + 1) / math.gamma(power + 1 - order) * 1.7 ** (power - order)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_memory_may_start_elsewhere_and_is_empty_there():
    shifted = pinn.caputo_derivative(lambda z: (z[0] - 1) ** 3, jnp.array([1.5]), 0, 0.5, start=1.0)
    np.testing.assert_allclose(shifted, 6 / math.gamma(3.5) * 0.5**2.5, rtol=1e-12)
    slope = jax.grad(lambda t: pinn.caputo_derivative(lambda z: z[0] ** 3, t[None], 0, 0.5))
    assert float(slope(jnp.array(0.0))) == 0.0
    np.testing.assert_allclose(slope(jnp.array(1.0)), 6 / math.gamma(2.5), rtol=1e-11)


def test_a_volterra_integro_differential_equation_is_solved():
    """u' = 1 - int_0^t u ds with u(0) = 0: the sine."""

    def residual(u, z, params):
        return LINE.partials(u, z, "t")[0] - 1.0 + pinn.integrate(lambda s: u(s[None]), 0.0, z[0], num_points=8)

    sol = sj.solve(pinn.PDEProblem(LINE, residual, [pinn.Initial(LINE, 0.0)]), SMALL, key=0)
    assert float(jnp.max(jnp.abs(sol(TIMES) - jnp.sin(TIMES[:, 0])))) < 1e-5


def test_a_fractional_equation_is_solved():
    """D^(1/2) u + u = 2 t^1.5 / Gamma(2.5) + t^2 with u(0) = 0: the square of t."""

    def residual(u, z, params):
        half = pinn.caputo_derivative(u, z, 0, 0.5, num_points=8)
        return half + u(z) - 2 / math.gamma(2.5) * z[0] ** 1.5 - z[0] ** 2

    sol = sj.solve(pinn.PDEProblem(LINE, residual, [pinn.Initial(LINE, 0.0)]), SMALL, key=0)
    assert float(jnp.max(jnp.abs(sol(TIMES) - TIMES[:, 0] ** 2))) < 1e-4


def test_orders_that_are_whole_or_too_high_are_refused():
    for order in (0.0, 1, 2.5, True):
        with pytest.raises(ValueError, match="`order` must be a number in"):
            pinn.caputo_derivative(lambda z: z[0], jnp.ones(1), 0, order)
