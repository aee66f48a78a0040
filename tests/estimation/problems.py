"""Problems and data that the estimation tests share."""

import functools

import jax
import jax.numpy as jnp

import sciml_jax as sj

TRUTH = jnp.array([1.5, 1.0, 3.0, 1.0])
TIMES = jnp.linspace(0.0, 5.0, 21)
BOUNDS = (jnp.zeros(4), jnp.full(4, 10.0))


def lotka_volterra(t, y, p):
    x, z = y[0], y[1]
    return jnp.stack([p[0] * x - p[1] * x * z, -p[2] * z + p[3] * x * z])


def lotka_problem(params=TRUTH):
    return sj.ODEProblem(lotka_volterra, jnp.ones(2), 0.0, 5.0, params)


@functools.cache
def lotka_values(noise=0.0):
    """Measured values at TIMES, (21, 2)."""
    ys = sj.solve(lotka_problem(), sj.Tsit5(), saveat=TIMES, rtol=1e-8, atol=1e-8).ys
    return ys + noise * jax.random.normal(jax.random.key(3), ys.shape)


def lorenz(t, y, p):
    return jnp.stack([p[0] * (y[1] - y[0]), y[0] * (p[1] - y[2]) - y[1], y[0] * y[1] - p[2] * y[2]])


LORENZ = jnp.array([10.0, 28.0, 8 / 3])
LORENZ_TIMES = jnp.linspace(0.0, 10.0, 201)


def lorenz_problem(params):
    return sj.ODEProblem(lorenz, jnp.array([1.0, 0.0, 0.0]), 0.0, 10.0, jnp.asarray(params))


@functools.cache
def lorenz_values():
    """With 1 % noise, (201, 3)."""
    ys = sj.solve(lorenz_problem(LORENZ), sj.Tsit5(), saveat=LORENZ_TIMES, rtol=1e-9, atol=1e-9).ys
    return ys + 0.01 * jnp.std(ys, axis=0) * jax.random.normal(jax.random.key(1), ys.shape)


LINE_TIMES = jnp.linspace(0.0, 1.0, 12)
MATRIX = jnp.stack([jnp.ones(12), LINE_TIMES, LINE_TIMES**2], axis=1)


def line(params):
    """A model that is linear in its parameters, for which all statistics are known exactly."""
    return MATRIX @ params
