"""The discrete-time method: coefficients, accuracy of one large step, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.pinn.gauss_stages import gauss_stages

pinn = sj.pinn
ROOM = pinn.Box({"t": (0.0, 1.0), "x": (0.0, 1.0)})
PLANE = pinn.Box({"x": (-1.0, 1.0), "t": (0.0, 0.4)})
ROD = pinn.PINN(width=10, depth=1, num_points=40, num_boundary=10, num_steps=120, block=20)


def heat(*conditions):
    """u_t = u_xx / pi^2 with u = exp(-t) sin(pi x)."""

    def residual(u, z, params):
        u_t, u_xx = ROOM.partials(u, z, "t", "xx")
        return 2.0 * u_t - 2.0 * u_xx / jnp.pi**2

    walls = conditions or (pinn.Dirichlet(ROOM.face("x"), 0.0),)
    return pinn.PDEProblem(ROOM, residual, [pinn.Initial(ROOM, lambda z: jnp.sin(jnp.pi * z[1])), *walls])


def exact(z):
    return jnp.exp(-z[..., 0]) * jnp.sin(jnp.pi * z[..., 1])


@pytest.mark.parametrize("count", [1, 3, 40, 200])
def test_stages_integrate_polynomials_exactly(count):
    stages = gauss_stages(count)
    for power in {0, count // 2, count - 1}:
        slopes = np.cos(power * np.arccos(2 * stages.nodes - 1))
        integral = np.polynomial.chebyshev.Chebyshev.basis(power, domain=[0, 1]).integ(lbnd=0)
        np.testing.assert_allclose(stages.matrix @ slopes, integral(stages.nodes), atol=1e-13)
        np.testing.assert_allclose(stages.weights @ slopes, integral(1.0), atol=1e-13)


def test_two_stages_are_those_of_the_books():
    root = np.sqrt(3) / 6
    np.testing.assert_allclose(gauss_stages(2).matrix, [[0.25, 0.25 - root], [0.25 + root, 0.25]], rtol=1e-14)


@pytest.fixture(scope="module")
def solved():
    return sj.solve(heat(), pinn.DiscreteTimePINN(5, ROD), key=0)


def test_one_step_of_the_heat_equation_is_accurate_at_all_times(solved):
    z = ROOM.interior(jax.random.key(1), 300)
    error = float(jnp.linalg.norm(solved(z) - exact(z)) / jnp.linalg.norm(exact(z)))
    assert error < 1e-5
    assert 0.1 * error < float(solved.error_estimate) < 10 * error


def test_walls_and_initial_values_hold_exactly(solved):
    x = jnp.linspace(0.0, 1.0, 7)
    first = jnp.stack([jnp.zeros(7), x], axis=1)
    np.testing.assert_allclose(solved(first), exact(first), atol=1e-13)
    np.testing.assert_allclose(solved(jnp.array([[0.3, 0.0], [1.0, 1.0]])), 0.0, atol=1e-13)


def test_derivatives_and_residual_are_those_of_the_function(solved):
    z = jnp.array([[0.37, 0.4]])
    np.testing.assert_allclose(solved.partials(z, "t")[0], -exact(z), atol=3e-4)
    u_t, u_xx = solved.partials(z, "t", "xx")
    np.testing.assert_allclose(solved.residual(z)[:, 0], 2 * u_t - 2 * u_xx / np.pi**2, atol=1e-12)
    assert solved.stats["num_stages"] == 5
    assert solved.stage_times.shape == (6,)


def test_a_saved_step_is_read_back_bit_for_bit(solved, tmp_path):
    solved.save(tmp_path / "step.sol")
    again = pinn.load_solution(tmp_path / "step.sol", heat(), pinn.DiscreteTimePINN(5, ROD))
    z = ROOM.interior(jax.random.key(1), 5)
    np.testing.assert_array_equal(again(z), solved(z))
    assert again.stats == solved.stats


@pytest.mark.full
def test_fluxes_through_walls_are_trained_at_all_stages():
    """The same solution, from its slopes -pi exp(-t) at x = 0 and x = 1."""
    flux = pinn.Neumann(ROOM.face("x"), lambda z: -jnp.pi * jnp.exp(-z[0]))
    sol = sj.solve(heat(flux), pinn.DiscreteTimePINN(5, ROD), key=0)
    z = ROOM.interior(jax.random.key(1), 300)
    assert float(jnp.linalg.norm(sol(z) - exact(z)) / jnp.linalg.norm(exact(z))) < 3e-4


@pytest.mark.full
def test_burgers_takes_one_step_into_its_front():
    """20 stages over t = 0.4, time as the second coordinate; exact by the Cole-Hopf formula."""
    nu = 0.01 / np.pi

    def residual(u, z, params):
        u_t, u_x, u_xx = PLANE.partials(u, z, "t", "x", "xx")
        return u_t + u(z) * u_x - nu * u_xx

    start = pinn.Initial(PLANE, lambda z: -jnp.sin(jnp.pi * z[0]))
    problem = pinn.PDEProblem(PLANE, residual, [start, pinn.Dirichlet(PLANE.face("x"), 0.0)])
    method = pinn.PINN(width=20, depth=2, num_points=150, num_steps=60)
    sol = sj.solve(problem, pinn.DiscreteTimePINN(20, method), key=0)
    x = np.linspace(-1.0, 1.0, 201)
    nodes, weights = np.polynomial.hermite.hermgauss(200)
    y = x[:, None] - 2 * np.sqrt(nu * 0.4) * nodes
    power = -np.cos(np.pi * y) / (2 * np.pi * nu)
    share = weights * np.exp(power - power.max(axis=1, keepdims=True))
    truth = -(np.sin(np.pi * y) * share).sum(axis=1) / share.sum(axis=1)
    found = sol(jnp.stack([jnp.asarray(x), jnp.full(201, 0.4)], axis=1))
    assert float(np.linalg.norm(found - truth) / np.linalg.norm(truth)) < 1e-3


def _other(residual, *conditions, **more):
    return pinn.PDEProblem(ROOM, residual, [pinn.Initial(ROOM, 1.0), *conditions], **more)


FIRST = lambda u, z, params: ROOM.partials(u, z, "t")[0]
ERRORS = {
    "second order": (_other(lambda u, z, p: ROOM.partials(u, z, "tt")[0]), "first time derivatives"),
    "damped wave": (_other(lambda u, z, p: sum(ROOM.partials(u, z, "t", "tt"))), "first time derivatives"),
    "nonlinear": (_other(lambda u, z, p: ROOM.partials(u, z, "t")[0] ** 2), "first time derivatives"),
    "velocity": (_other(FIRST, pinn.Initial(ROOM, 0.0, derivative=1)), "initial value of every"),
    "measured": (_other(FIRST, pinn.Data(jnp.ones((1, 2)), jnp.ones(1))), "no measurements"),
    "unknown": (_other(FIRST, unknown={"a": 1.0}), "forward problems"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_has_no_stages_is_refused_with_the_fix(name):
    problem, message = ERRORS[name]
    with pytest.raises(ValueError, match=message):
        sj.solve(problem, pinn.DiscreteTimePINN(2, ROD), key=0)


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="positive integer"):
        pinn.DiscreteTimePINN(0)
    with pytest.raises(TypeError, match="must be a `sj.pinn.PINN"):
        pinn.DiscreteTimePINN(3, "gauss")
