"""Collocation against exact solutions: order, error estimate, several solutions, layers, eigenvalues."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.equations.boundary_value import BVProblem, Collocation
from tests.equations.boundary_value.problems import LOWER, UPPER, bratu, bratu_slope, bump, layer, line, line_exact

THETA = jnp.array([2.0, 0.5, 0.1, 1.2])


def uniform(count, atol):
    """`line` on a uniform mesh, saved at its nodes."""
    saveat = sj.SaveAt(t0=True, ts=jnp.linspace(0.1, 1.2, count + 1), t1=True)
    method = Collocation(count, max_moves=0)
    return sj.solve(line(THETA), method, saveat=saveat, rtol=0.0, atol=atol, on_failure="status")


def test_the_order_is_4_and_the_estimate_is_the_error():
    """On uniform meshes of 8 and 16 intervals; the estimate agrees with the true error to a few percent."""
    errors = []
    for count in (8, 16):
        solution = uniform(count, 1e-2)
        exact = line_exact(THETA, solution.ts)
        off = np.array([solution.ys["u"] - exact[0], solution.ys["v"][:, 0] - exact[1]])
        errors.append(np.abs(off).max())
        assert float(solution.stats.error_estimate) * 1e-2 == pytest.approx(errors[-1], rel=0.1)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.1)


def test_both_solutions_of_bratu_are_found_and_none_where_there_is_none():
    """One batch: the lower and the upper solution for strength 1, and strength 4 beyond the fold; with derivatives."""

    def middle(strength, height):
        problem = bratu(lambda t: bump(height)(t), strength)
        solution = sj.solve(problem, Collocation(64), saveat=jnp.array([0.5]), on_failure="status")
        return solution.ys[0, 0], solution.status

    both = jax.jit(jax.vmap(jax.value_and_grad(middle, has_aux=True)))
    (values, statuses), slopes = both(jnp.array([1.0, 1.0, 4.0]), jnp.array([0.0, 4.0, 0.5]))
    np.testing.assert_allclose(values[:2], [LOWER, UPPER], rtol=1e-6)
    np.testing.assert_allclose(slopes, [*(bratu_slope(u) for u in (LOWER, UPPER)), 0.0], rtol=1e-6)
    assert [int(s) == sj.Status.SUCCESS for s in statuses] == [True, True, False]
    assert bool(jnp.isnan(values[2]))


def test_the_mesh_moves_into_a_layer_narrower_than_its_intervals():
    """u = exp(-t / width) within 1e-4 of the beginning; also where the layer is at the end, in reversed time."""
    width = 1e-4
    ts = jnp.array([0.0, width, 3 * width, 0.5])
    solution = sj.solve(layer(width), Collocation(200), saveat=ts, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(solution.ys[:, 0], np.exp(-ts / width), atol=1e-6)
    np.testing.assert_allclose(solution.ys[:, 1], -np.exp(-ts / width), atol=1e-6)
    assert int(solution.stats.num_meshes) > 1
    assert float(solution.stats.error_estimate) <= 1


def test_an_eigenvalue_is_a_further_state():
    """u'' = -w u, u(0) = u(1) = 0, u'(0) = 1: w = pi^2, found from 8. Time runs backwards; the guess is a table."""

    def string(t, y, args):
        return jnp.stack([y[1], -y[2] * y[0], 0.0 * y[2]])

    def fixed(end, start, args):
        return jnp.stack([start[0], end[0], start[1] - 1.0])

    ts = jnp.linspace(1, 0, 11)
    table = (ts, jnp.stack([ts * (1 - ts), 1 - 2 * ts, 0 * ts + 8], 1))
    problem = BVProblem(string, fixed, table, 1.0, 0.0)
    solution = sj.solve(problem, saveat=sj.SaveAt(dense=True), rtol=1e-9)
    assert float(solution.y1[2]) == pytest.approx(np.pi**2, rel=1e-9)
    times = jnp.array([0.9, 0.5, 0.123])
    np.testing.assert_allclose(solution(times)[:, 0], np.sin(np.pi * times) / np.pi, atol=1e-9)
    np.testing.assert_allclose(solution.derivative(times)[:, 0], np.cos(np.pi * times), atol=1e-6)
    assert bool(jnp.all(jnp.isnan(solution(1.5))))


def test_a_mesh_that_is_too_coarse_is_a_failure_that_says_by_how_much():
    solution = uniform(8, 1e-7)
    assert not sj.Status(int(solution.status)).is_success
    assert float(solution.stats.error_estimate) > 10
    assert bool(jnp.isnan(solution.y1["u"]))
