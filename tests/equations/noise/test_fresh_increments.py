"""Increments drawn step by step: their law, that they are drawn again, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import sciml_jax as sj

from .problems import ARGS, START, fluctuation, geometric, growth

FRESH = sj.FreshIncrements()


def standing(noise, shape=(3,)):
    """Brownian motions themselves."""
    spread = {"diagonal": lambda t, y, args: jnp.ones_like(y), "general": lambda t, y, args: jnp.eye(y.shape[0])}[noise]
    return sj.SDEProblem(lambda t, y, args: jnp.zeros_like(y), spread, jnp.zeros(shape), 0.0, 1.0, noise=noise)


@pytest.mark.parametrize(("noise", "size"), [("diagonal", 1), ("general", 3)])
def test_increments_are_independent_and_normal(noise, size):
    """Over 2000 steps of 1/2000: normal law, no correlation between neighbours nor between motions."""
    saveat = sj.SaveAt(steps=1)
    found = sj.solve(standing(noise, (size,)), sj.EulerMaruyama(), key=3, dt0=1 / 2000, path=FRESH, saveat=saveat)
    moves = np.diff(np.asarray(found.ys)[:2000], axis=0) * np.sqrt(2000)
    count = len(moves)
    for column in moves.T:
        assert stats.kstest(column, "norm").pvalue > 1e-3
        assert abs(np.corrcoef(column[1:], column[:-1])[0, 1]) < 4 / np.sqrt(count)
    if size > 1:
        assert np.max(np.abs(np.corrcoef(moves.T) - np.eye(size))) < 4 / np.sqrt(count)


def test_the_levy_area_has_its_law():
    """Of methods that use it the errors are those on the path: here exact for the integral of a Brownian motion."""
    problem = sj.SDEProblem(
        lambda t, y, args: jnp.stack([y[1], 0.0 * y[1]]), lambda t, y, args: jnp.array([0.0, 1.0]), jnp.zeros(2), 0.0,
        1.0, noise="additive",
    )  # fmt: skip
    options = {"dt0": 0.5, "controller": sj.FixedStep(), "path": FRESH}
    keys = jax.random.split(jax.random.key(0), 4000)
    ends = np.asarray(jax.jit(jax.vmap(lambda key: sj.solve(problem, sj.SRA1(), key=key, **options).y1))(keys))
    exact = np.array([[1 / 3, 1 / 2], [1 / 2, 1.0]])
    assert np.all(np.abs(np.cov(ends.T) - exact) < 4 * np.sqrt(2 / 4000))


def test_solutions_have_the_moments_and_derivatives_draw_the_same_numbers():
    solve = lambda args, key: sj.solve(geometric(args), sj.EulerMaruyama(), key=key, dt0=1 / 32, path=FRESH).y1[0]
    keys = jax.random.split(jax.random.key(2), 4000)
    found = np.asarray(jax.jit(jax.vmap(solve, (None, 0)))(ARGS, keys))
    # The mean of Euler's method itself.
    assert abs(found.mean() - START * (1 + ARGS[0] / 32) ** 32) < 4 * found.std() / np.sqrt(found.size)
    gradient = jax.grad(solve)(ARGS, 7)
    move = jnp.array([0.3, -0.6])
    difference = (solve(ARGS + 1e-6 * move, 7) - solve(ARGS - 1e-6 * move, 7)) / 2e-6
    np.testing.assert_allclose(gradient @ move, difference, rtol=1e-6)
    np.testing.assert_allclose(jax.jvp(lambda a: solve(a, 7), (ARGS,), (move,))[1], gradient @ move, rtol=1e-6)


@pytest.mark.full
def test_gradients_of_lanes_are_those_of_single_solves():
    """To rounding in single precision, in which normal numbers are made."""
    solve = lambda args, key: sj.solve(geometric(args), sj.EulerMaruyama(), key=key, dt0=1 / 32, path=FRESH).y1[0]
    keys = jax.random.split(jax.random.key(2), 3)
    lanes = jax.jit(jax.vmap(jax.grad(solve), (None, 0)))(ARGS, keys)
    np.testing.assert_allclose(lanes[0], jax.grad(solve)(ARGS, keys[0]), rtol=1e-6)


def test_the_key_decides_and_there_is_no_path():
    solve = lambda key, dt: sj.solve(geometric(), sj.EulerMaruyama(), key=key, dt0=dt, path=FRESH).y1[0]
    assert solve(0, 0.01) == solve(jax.random.key(0), 0.01) != solve(1, 0.01)
    on_path = [sj.solve(geometric(), sj.EulerMaruyama(), key=0, dt0=dt).y1[0] for dt in (1e-2, 5e-3)]
    assert abs(on_path[0] / on_path[1] - 1) < 0.1 < abs(solve(0, 1e-2) / solve(0, 5e-3) - 1)


def test_single_precision_and_signs_of_weak_methods():
    low = sj.SDEProblem(growth, fluctuation, jnp.full(2, 0.5, jnp.float32), 0.0, 1.0, ARGS.astype(jnp.float32))
    keys = jax.random.split(jax.random.key(5), 1000)
    ends = jax.jit(jax.vmap(lambda key: sj.solve(low, sj.DRI1(), key=key, dt0=0.125, path=FRESH).y1))(keys)
    assert ends.dtype == jnp.float32
    ends = np.asarray(ends, float)
    assert np.all(np.abs(ends.mean(0) - START * np.exp(1.01)) < 4 * ends.std(0) / np.sqrt(1000) + 2e-2)
    assert abs(np.corrcoef(ends.T)[0, 1]) < 4 / np.sqrt(1000)


def test_what_needs_a_path_is_refused():
    with pytest.raises(ValueError, match="no step can be taken again; got adaptive steps. Pass `controller=sj.Fixed"):
        sj.solve(geometric(), key=0, path=FRESH)
    event = sj.Event(lambda t, y, args: y[0] - 1.0)
    with pytest.raises(ValueError, match="no crossing can be located inside of it; got an `Event`"):
        sj.solve(geometric(), sj.EulerMaruyama(), key=0, dt0=0.1, path=FRESH, events=[event])
    with pytest.raises(TypeError, match="`path` must be"):
        sj.solve(geometric(), sj.EulerMaruyama(), key=0, dt0=0.1, path=sj.BrownianPath(0, 0.0, 1.0))
    with pytest.raises(TypeError, match="`Tsit5` does not take the option `path`"):
        sj.solve(sj.ODEProblem(growth, jnp.ones(1), 0.0, 1.0, ARGS), sj.Tsit5(), path=FRESH)
