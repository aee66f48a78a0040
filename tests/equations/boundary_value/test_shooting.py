"""Simple and multiple shooting: where each works, and what is saved."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.equations.boundary_value import MultipleShooting, Shooting
from tests.equations.boundary_value.problems import LOWER, UPPER, bratu, bump, layer, line, line_exact

THETA = jnp.array([2.0, 0.5, 0.1, 1.2])


@pytest.mark.parametrize("method", [pytest.param(Shooting(), marks=pytest.mark.full), MultipleShooting(5)])
def test_everything_saved_is_accurate(method):
    saveat = sj.SaveAt(t0=True, ts=jnp.array([0.1, 0.3, 0.32, 0.9]), t1=True, dense=True)
    solution = sj.solve(line(THETA), method, saveat=saveat, rtol=1e-8, atol=1e-9)
    exact = line_exact(THETA, solution.ts)
    np.testing.assert_allclose(solution.ys["u"], exact[0], rtol=1e-7)
    np.testing.assert_allclose(solution.ys["v"][:, 0], exact[1], atol=1e-7)
    np.testing.assert_array_equal(solution.ys["u"][-1], solution.y1["u"])
    times = jnp.array([0.1, 0.77, 1.2])
    np.testing.assert_allclose(solution(times)["u"], line_exact(THETA, times)[0], rtol=1e-6)


def test_multiple_shooting_solves_what_simple_shooting_cannot():
    """Modes grow by exp(50): simple shooting cannot meet the far end, and must say so."""
    width, ts = 0.02, jnp.array([0.02, 0.1])
    solution = sj.solve(layer(width), MultipleShooting(20), saveat=ts)
    np.testing.assert_allclose(solution.ys[:, 0], np.exp(-ts / width), rtol=1e-5)
    failed = sj.solve(layer(width), Shooting(), on_failure="status")
    assert not sj.Status(int(failed.status)).is_success
    assert bool(jnp.all(jnp.isnan(failed.y1)))


def test_shooting_finds_the_solution_near_its_guess_and_fails_where_there_is_none():
    def middle(height, strength):
        problem = bratu(lambda t: bump(height)(t), strength)
        solution = sj.solve(problem, Shooting(), saveat=jnp.array([0.5]), max_steps=200, on_failure="status")
        return solution.ys[0, 0], solution.status

    values, statuses = jax.jit(jax.vmap(middle))(jnp.array([0.0, 2.7, 0.0]), jnp.array([1.0, 1.0, 4.0]))
    np.testing.assert_allclose(values[:2], [LOWER, UPPER], rtol=1e-6)
    assert [int(s) == sj.Status.SUCCESS for s in statuses] == [True, True, False]
