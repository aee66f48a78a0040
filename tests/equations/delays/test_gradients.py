"""Derivatives with respect to parameters, history, start and lags."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import decay, delayed_decay, feldstein_neves

OPTIONS = {"rtol": 1e-10, "atol": 1e-12, "max_steps": 256}


class Cosine(eqx.Module):
    """A history with a parameter."""

    size: jax.Array

    def __call__(self, t):
        return jnp.stack([self.size * jnp.cos(t)])


def with_jump(x):
    """The solution at 4.5 as a function of (rate, lag, y0, size of the history)."""
    problem = sj.DDEProblem(delayed_decay, Cosine(x[3]), 0.0, 4.5, (x[0], x[1]), lags=(x[1],), y0=x[2][None])
    return sj.solve(problem, sj.Tsit5(), **OPTIONS).y1


def inside(x):
    """A saved and a dense value inside the interval."""
    problem = sj.DDEProblem(delayed_decay, Cosine(x[3]), 0.0, 4.5, (x[0], x[1]), lags=(x[1],), y0=x[2][None])
    sol = sj.solve(problem, sj.Tsit5(), saveat=sj.SaveAt(ts=jnp.array([1.7, 4.5]), dense=True), **OPTIONS)
    return jnp.stack([sol.ys[0, 0], sol(2.6)[0]])


def differences(function, x, eps=1e-5):
    moves = eps * np.eye(x.size)
    return np.stack([(function(x + d) - function(x - d)) / (2 * eps) for d in moves], axis=-1)


@pytest.fixture(scope="module")
def jump():
    x = jnp.array([1.1, 1.0, 0.7, 0.3])
    return x, jax.jit(jax.jacrev(with_jump))(x)


def test_reverse_derivatives_agree_with_differences_the_lag_included(jump):
    x, gradient = jump
    np.testing.assert_allclose(gradient, differences(jax.jit(with_jump), x), atol=1e-6)


@pytest.mark.full
def test_saved_and_dense_values_inside_have_exact_derivatives(jump):
    x, _ = jump
    gradient = jax.jit(jax.jacrev(inside))(x)
    np.testing.assert_allclose(gradient, differences(jax.jit(inside), x), atol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(inside))(x), gradient, rtol=1e-10, atol=1e-12)


def test_forward_derivatives_are_the_reverse_ones(jump):
    x, gradient = jump
    np.testing.assert_allclose(jax.jit(jax.jacfwd(with_jump))(x), gradient, rtol=1e-11, atol=1e-13)


@pytest.mark.full
def test_the_derivative_with_respect_to_the_lag_is_the_analytic_one():
    # y(2.7) for history 0 and y0 = 1 is 1 - (t - tau) + (t - 2 tau)^2 / 2 in 2 tau < t < 3 tau.
    def end(tau):
        problem = sj.DDEProblem(
            delayed_decay, lambda t: jnp.zeros(1), 0.0, 2.7, (1.0, tau), lags=(tau,), y0=jnp.ones(1)
        )
        return sj.solve(problem, sj.Tsit5(), **OPTIONS).y1[0]

    np.testing.assert_allclose(jax.grad(end)(1.0), 1 - 2 * (2.7 - 2.0), rtol=1e-10)


@pytest.mark.full
def test_lags_that_depend_on_the_state_move_their_breaking_points():
    def end(x):
        field = lambda t, y, past, x: -x[0] * past(t - 1 - x[1] * y * y)
        lag = lambda t, y, x: 1 + x[1] * y * y
        history = lambda t, x: x[2] + 0 * t
        problem = sj.DDEProblem(field, history, 0.0, 4.5, x, lags=(lag,), y0=jnp.asarray(1.0))
        return sj.solve(problem, sj.Tsit5(), **OPTIONS).y1

    x = jnp.array([0.8, 0.2, 0.4])
    gradient = jax.jit(jax.grad(end))(x)
    np.testing.assert_allclose(gradient, differences(jax.jit(end), x, 1e-4), atol=2e-6)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(end))(x), gradient, rtol=1e-11)


@pytest.mark.full
def test_the_state_dependent_example_has_exact_derivatives():
    end = lambda x: sj.solve(feldstein_neves((x[0], x[1]), 4.5), sj.Tsit5(), **OPTIONS).y1
    x = jnp.array([0.5, np.sqrt(2) - 1])
    np.testing.assert_allclose(jax.jit(jax.grad(end))(x), differences(jax.jit(end), x), atol=1e-6)


@pytest.mark.full
def test_steps_longer_than_the_lag_are_differentiated_at_their_fixed_point():
    end = lambda x: sj.solve(decay(tau=x[1], rate=x[0], t1=1.0), sj.Tsit5(), **OPTIONS).y1[0]
    x = jnp.array([1.1, 0.06])
    gradient = jax.jit(jax.grad(end))(x)
    np.testing.assert_allclose(gradient, differences(jax.jit(end), x), atol=1e-6)


@pytest.mark.full
def test_second_derivatives_agree_with_differences_of_the_first():
    end = lambda x: sj.solve(
        decay(tau=x[1], rate=x[0], t1=2.5, y0=0.5), sj.Tsit5(), rtol=1e-9, atol=1e-11, max_steps=64
    ).y1[0]
    x = jnp.array([1.1, 0.9])
    np.testing.assert_allclose(jax.jit(jax.hessian(end))(x), differences(jax.jit(jax.grad(end)), x), atol=1e-5)


@pytest.mark.full
@pytest.mark.parametrize("method", [sj.Rodas5P(), sj.BDF(), sj.Vern7()], ids=lambda m: type(m).__name__)
def test_stiff_and_multistep_methods_have_exact_derivatives(method):
    end = lambda x: sj.solve(decay(tau=x[1], rate=x[0], t1=2.5), method, rtol=1e-8, atol=1e-10, max_steps=512).y1[0]
    x = jnp.array([1.1, 0.9])
    gradient = jax.jit(jax.grad(end))(x)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(end))(x), gradient, rtol=1e-9)
    exact = jax.grad(lambda x: sj.solve(decay(tau=x[1], rate=x[0], t1=2.5), sj.Tsit5(), **OPTIONS).y1[0])(x)
    np.testing.assert_allclose(gradient, exact, atol=2e-6)
