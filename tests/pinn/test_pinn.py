"""The method: it finds solutions, says how wrong they are, and composes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sciml_jax as sj

from .problems import LINE, PLANE, SMALL, bell, burgers

pinn = sj.pinn


def true_error(sol, exact):
    points = sol.domain.interior(jax.random.key(9), 500)
    expected = jax.vmap(exact)(points)
    return float(jnp.linalg.norm(sol(points) - expected) / jnp.linalg.norm(expected))


@pytest.fixture(scope="module")
def solved():
    problem, exact = bell()
    return sj.solve(problem, SMALL, key=0), exact


def test_an_ordinary_equation_is_solved_and_its_error_estimated(solved):
    sol, exact = solved
    error = true_error(sol, exact)
    assert error < 1e-4
    assert 0.1 * error < float(sol.error_estimate) < 10 * error
    assert pinn.PINNStatus(int(sol.status)).is_success


def test_a_solution_can_be_called_at_points_of_any_batch(solved):
    sol, exact = solved
    z = jnp.array([[[0.0], [1.0]], [[0.5], [2.0]], [[1.5], [0.1]]])
    assert sol(z).shape == (3, 2)
    assert sol(z[0, 0]).shape == ()
    assert float(sol(z[0, 0])) == 1.0
    u_t, u_tt = sol.partials(z[:, 1], "t", "tt")
    assert u_t.shape == (3,)
    np.testing.assert_allclose(u_t, -2 * z[:, 1, 0] * jnp.exp(-(z[:, 1, 0] ** 2)), atol=2e-3)
    assert u_tt.shape == (3,)
    np.testing.assert_allclose(sol.residual(z[:, 1])[:, 0], u_t + 2 * z[:, 1, 0] * sol(z[:, 1]), atol=1e-12)
    with pytest.raises(ValueError, match="have the coordinates"):
        sol(jnp.zeros(2))


def test_the_estimated_error_has_the_sign_and_place_of_the_true_one(solved):
    sol, exact = solved
    points = jnp.linspace(0.2, 2.0, 50)[:, None]
    true = sol(points) - jax.vmap(exact)(points)
    assert float(jnp.corrcoef(true, sol.error(points))[0, 1]) > 0.7


def test_history_and_counts_are_kept(solved):
    sol, _ = solved
    assert sol.history["loss"].shape == (60,)
    assert sol.history["error"].shape == (3,)
    assert sol.stats == {"num_steps": 60, "num_points": 60, "num_weights": 25}
    assert float(sol.history["loss"][-1]) < 1e-6 * float(sol.history["loss"][0])


def test_the_same_key_gives_the_same_solution_and_another_one_does_not(solved):
    problem, _ = bell()
    again, other = (sj.solve(problem, SMALL, key=key) for key in (0, 1))
    np.testing.assert_array_equal(again.vector, solved[0].vector)
    assert float(jnp.max(jnp.abs(other.vector - again.vector))) > 0.1


@pytest.mark.full
def test_seeds_are_solved_together_under_vmap():
    """An ensemble: its spread is of the order of the error."""
    problem, exact = bell()
    solve = lambda key: sj.solve(problem, SMALL, key=key)(jnp.array([[0.7], [1.3]]))
    values = jax.jit(jax.vmap(solve))(jax.random.split(jax.random.key(0), 3))
    assert values.shape == (3, 2)
    np.testing.assert_allclose(values, np.tile([np.exp(-0.49), np.exp(-1.69)], (3, 1)), atol=1e-3)


def test_rtol_ends_the_training_early_and_is_reported_where_it_is_missed():
    problem, _ = bell()
    sol = sj.solve(problem, SMALL, key=0, rtol=0.1)
    assert pinn.PINNStatus(int(sol.status)) is pinn.PINNStatus.CONVERGED
    assert sol.history["error"].shape[0] < 3
    missed = sj.solve(problem, SMALL, key=0, rtol=1e-13)
    assert pinn.PINNStatus(int(missed.status)) is pinn.PINNStatus.NOT_REACHED
    assert "num_steps" in str(pinn.PINNStatus.NOT_REACHED)


def test_a_residual_that_is_not_finite_is_a_status():
    sol = sj.solve(bell(rate=jnp.inf)[0], SMALL, key=0)
    assert pinn.PINNStatus(int(sol.status)) is pinn.PINNStatus.NON_FINITE


def test_an_inverse_problem_finds_its_parameter():
    """u' = -rate u with u measured: the rate is 1.7."""
    times = jnp.linspace(0.1, 2.0, 20)[:, None]

    def residual(u, z, params):
        return LINE.partials(u, z, "t")[0] + params["rate"] * u(z)

    data = pinn.Data(times, jnp.exp(-1.7 * times[:, 0]))
    problem = pinn.PDEProblem(LINE, residual, [pinn.Initial(LINE, 1.0), data], unknown={"rate": 1.0})
    sol = sj.solve(problem, SMALL, key=0)
    np.testing.assert_allclose(sol.unknown["rate"], 1.7, rtol=1e-3)


@pytest.mark.full
def test_a_system_with_a_periodic_coordinate_and_soft_conditions():
    """u_t = v_x, v_t = u_x with period 2 in x: u = cos(pi t) cos(pi x), v = -sin(pi t) sin(pi x)."""
    ring = pinn.Box({"t": (0.0, 0.5), "x": (-1.0, 1.0)}, periodic="x")

    def residual(u, z, params):
        u_t, u_x = ring.partials(u, z, "t", "x")
        return u_t[0] - u_x[1], u_t[1] - u_x[0]

    start = lambda z: jnp.stack([jnp.cos(jnp.pi * z[1]), 0.0 * z[1]])
    problem = pinn.PDEProblem(ring, residual, [pinn.Initial(ring, start)], num_outputs=2)
    method = pinn.PINN(width=8, depth=2, num_points=150, num_boundary=40, num_steps=60, hard=False)
    sol = sj.solve(problem, method, key=0)
    exact = lambda z: jnp.stack(
        [jnp.cos(jnp.pi * z[0]) * jnp.cos(jnp.pi * z[1]), -jnp.sin(jnp.pi * z[0]) * jnp.sin(jnp.pi * z[1])]
    )
    error = true_error(sol, exact)
    assert error < 3e-3
    assert 0.1 * error < float(sol.error_estimate) < 10 * error
    np.testing.assert_allclose(sol(jnp.array([0.3, -1.0])), sol(jnp.array([0.3, 1.0])), atol=1e-12)


def test_an_optax_optimiser_lowers_the_loss():
    problem, exact = bell()
    method = pinn.PINN(width=8, depth=1, num_points=60, num_steps=400, block=100, optimizer=optax.adam(1e-2))
    sol = sj.solve(problem, method, key=0)
    assert true_error(sol, exact) < 0.1


@pytest.mark.full
def test_burgers_reaches_the_aim():
    """The lines of the documentation; the value is exact to its digits."""
    sol = sj.solve(burgers(), pinn.PINN(), key=0)
    assert abs(float(sol(jnp.array([0.25, 0.5]))) + 0.803198420841) < 1e-4
    assert float(sol.error_estimate) < 1e-3
    assert sol.domain is PLANE or sol.domain.names == PLANE.names


@pytest.mark.full
def test_poisson_on_a_domain_with_a_hole():
    domain = pinn.Box({"x": (0.0, 1.0), "y": (0.0, 1.0)}) - pinn.Ball((0.5, 0.5), 0.25)
    exact = lambda z: jnp.sin(jnp.pi * z[0]) * jnp.sin(jnp.pi * z[1])

    def residual(u, z, params):
        u_xx, u_yy = domain.partials(u, z, "xx", "yy")
        return u_xx + u_yy + 2 * jnp.pi**2 * exact(z)

    problem = pinn.PDEProblem(domain, residual, [pinn.Dirichlet(domain.boundary, exact)])
    sol = sj.solve(problem, pinn.PINN(width=16, depth=2, num_points=1000, num_steps=160), key=0)
    error = true_error(sol, exact)
    assert error < 1e-4
    assert 0.1 * error < float(sol.error_estimate) < 10 * error
