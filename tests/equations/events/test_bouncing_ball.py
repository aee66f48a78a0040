"""A bouncing ball: impacts, speeds and their derivatives are those of the formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import BOUNCE, TIGHT, ball, ball_at, impacts


@jax.jit
def times_and_end(h, g, e):
    sol = sj.solve(ball(h, g, e), sj.Tsit5(), events=[BOUNCE], **TIGHT)
    return sol.events[0].ts[:2], sol.events[0].ys[:2], sol.y1


@pytest.fixture(scope="module")
def derivatives():
    """Values and their derivatives in both modes at the parameters of the course."""
    point = (50.0, 9.8, 0.9)
    value = times_and_end(*point)
    return (
        value,
        jax.jit(jax.jacfwd(times_and_end, (0, 1, 2)))(*point),
        jax.jit(jax.jacrev(times_and_end, (0, 1, 2)))(*point),
    )


def test_the_issues_lines():
    problem = sj.ODEProblem(lambda t, y, e: jnp.stack([y[1], -9.8]), jnp.array([50.0, 0.0]), 0.0, 10.0, 0.9)
    bounce = sj.Event(lambda t, y, e: y[0], lambda t, y, e: jnp.stack([0.0, -e * y[1]]), direction=-1)
    end = lambda e: sj.solve(
        sj.ODEProblem(problem.vector_field, problem.y0, 0.0, 10.0, e),
        sj.Tsit5(), events=[bounce], rtol=1e-10, atol=1e-10,
    )  # fmt: skip
    sol = end(0.9)
    np.testing.assert_allclose(sol.events[0].ts[0], 3.1943828249997, rtol=1e-12)
    slope = jax.grad(lambda e: end(e).y1[0])(0.9)
    exact = jax.grad(lambda e: ball_at(10.0, 50.0, 9.8, e, 2)[0])(0.9)
    np.testing.assert_allclose(slope, exact, rtol=1e-9)


def test_impacts_and_speeds(derivatives):
    (ts, ys, y1), *_ = derivatives
    np.testing.assert_allclose(ts, impacts(50.0, 9.8, 0.9, 2), rtol=1e-12)
    np.testing.assert_allclose(ts[0], 3.1943828249997, rtol=1e-13)
    # The log holds the state in front of its change.
    np.testing.assert_allclose(ys[0], [0.0, -31.304951685], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(ys[1], [0.0, -0.9 * 31.304951685], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(y1, ball_at(10.0, 50.0, 9.8, 0.9, 2), rtol=1e-11)


def test_derivatives_are_those_of_the_formula_in_both_modes(derivatives):
    _, forward, reverse = derivatives
    exact = lambda h, g, e: (impacts(h, g, e, 2), ball_at(10.0, h, g, e, 2))
    expected = jax.jacfwd(exact, (0, 1, 2))(50.0, 9.8, 0.9)
    for found in (forward, reverse):
        for one, other in zip(found[0], expected[0], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
        for one, other in zip(found[2], expected[1], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9)
    # d(impact)/dh = 1/sqrt(2 g h) and d(impact)/dg = -sqrt(2 h) g^(-3/2) / 2.
    np.testing.assert_allclose(reverse[0][0][0], 1 / np.sqrt(2 * 9.8 * 50), rtol=1e-11)
    np.testing.assert_allclose(reverse[0][1][0], -0.5 * np.sqrt(100.0) * 9.8**-1.5, rtol=1e-11)
    # The logged state moves with its time: speed at impact is -sqrt(2 g h).
    np.testing.assert_allclose(reverse[1][0][0], [0.0, -np.sqrt(9.8 / 100.0)], rtol=1e-9, atol=1e-11)


def test_elastic_bounces_are_equidistant():
    ts = sj.solve(ball(t1=40.0, e=1.0), sj.Tsit5(), events=[BOUNCE], **TIGHT).events[0].ts
    first = np.sqrt(100.0 / 9.8)
    np.testing.assert_allclose(ts[:6], first * np.arange(1, 12, 2), rtol=1e-11)
    assert np.all(np.isnan(ts[6:]))


def wall_height(e):
    """Height at which a ball with a sideways speed of 2 reaches a wall at x = 25 (Koopman ball)."""
    field = lambda t, y, args: jnp.stack([y[1], -9.807, 2.0 + 0.0 * y[0]])
    bounce = sj.Event(lambda t, y, e: y[0], lambda t, y, e: jnp.stack([0.0, -e * y[1], y[2]]), direction=-1)
    wall = sj.Event(lambda t, y, e: y[2] - 25.0, terminal=True)
    problem = sj.ODEProblem(field, jnp.array([50.0, 0.0, 0.0]), 0.0, 40.0, e)
    sol = sj.solve(problem, sj.Tsit5(), events=[wall, bounce], **TIGHT)
    return sol.y1[0], (sol.status, sol.stats.t_last, sol.events[1].count)


def test_the_koopman_ball_ends_at_its_wall():
    (y, (status, t, count)), slope = jax.jit(jax.value_and_grad(wall_height, has_aux=True))(0.9)
    assert (int(status), int(count)) == (sj.Status.EVENT, 2)
    np.testing.assert_allclose([t, y, (y - 25.0) ** 2], [12.5, 28.168492563, 10.039345], rtol=2e-8)
    exact = jax.value_and_grad(lambda e: ball_at(12.5, 50.0, 9.807, e, 2)[0])(0.9)
    np.testing.assert_allclose([y, slope], exact, rtol=1e-9)
