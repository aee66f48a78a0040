"""Scalar losses of solutions, on problems from mild to stiff, as functions of everything that has a derivative."""

import jax
import jax.numpy as jnp
import numpy as np

import sciml_jax as sj
from sciml_jax.zoo.lotka_volterra import lotka_volterra_field
from sciml_jax.zoo.pollution import RATES, pollution_field

SIDE = 5


def lotka_volterra():
    """All inputs of a Lotka-Volterra solve."""
    return {
        "y0": jnp.array([1.0, 1.2]),
        "t0": jnp.array(0.1),
        "t1": jnp.array(3.0),
        "args": jnp.array([1.5, 1.0, 3.0, 1.0]),
        "ts": jnp.array([0.7, 1.9, 2.6]),
    }


def lotka_volterra_loss(theta, adjoint, method=None, **options):
    """A nonlinear function of the states at three times and at the end."""
    problem = sj.ODEProblem(lotka_volterra_field, theta["y0"], theta["t0"], theta["t1"], theta["args"])
    saveat = sj.SaveAt(ts=theta["ts"], t1=True)
    options = {"rtol": 1e-11, "atol": 1e-11, "max_steps": 512} | options
    sol = sj.solve(problem, method or sj.Tsit5(), saveat=saveat, adjoint=adjoint, **options)
    return jnp.sum(jnp.sin(sol.ys) * jnp.array([1.0, -2.0, 0.5, 3.0])[:, None])


def brusselator_field(t, y, args):
    """Two species on a periodic 5 x 5 grid; four coefficients in every cell, 100 in all."""
    u, v = y[0], y[1]
    a, b, diffuse_u, diffuse_v = args
    product = u * u * v
    u_rate = b + product - (a + 1.0) * u + diffuse_u * _laplacian(u)
    return jnp.stack([u_rate, a * u - product + diffuse_v * _laplacian(v)])


def brusselator():
    """All inputs of a Brusselator solve."""
    x, y = np.meshgrid(np.arange(SIDE) / SIDE, np.arange(SIDE) / SIDE)
    state = np.stack([1.0 + 0.5 * np.sin(2 * np.pi * x), 3.0 + 0.5 * np.cos(2 * np.pi * y)])
    wave = 0.1 * np.cos(2 * np.pi * (x + 2 * y))
    args = np.stack([3.4 + wave, 1.0 + wave, 0.3 + wave, 0.4 - wave])
    return {"y0": jnp.asarray(state), "args": jnp.asarray(args), "ts": jnp.array([0.4, 1.0])}


def brusselator_loss(theta, adjoint):
    """A nonlinear function of the states at two times."""
    problem = sj.ODEProblem(brusselator_field, theta["y0"], 0.0, 1.0, theta["args"])
    sol = sj.solve(problem, sj.Tsit5(), saveat=theta["ts"], rtol=1e-9, atol=1e-9, max_steps=256, adjoint=adjoint)
    return jnp.sum(jnp.sin(sol.ys) * jnp.arange(1.0, 2 * SIDE**2 + 1).reshape(2, SIDE, SIDE))


def pollution():
    """Rates as multiples of the published ones, and the length of the pollution problem."""
    return {"scale": jnp.ones(25), "t1": jnp.array(2.0)}


def pollution_loss(theta, adjoint):
    """The relative deviation of six species from given concentrations, half way and at the end."""
    y0 = jnp.array([0.0, 0.2, 0.0, 0.04, 0.0, 0.0, 0.1, 0.3, 0.01, *([0.0] * 7), 0.007, 0.0, 0.0, 0.0])
    problem = sj.ODEProblem(pollution_field, y0, 0.0, theta["t1"], theta["scale"] * jnp.asarray(RATES))
    saveat = sj.SaveAt(ts=jnp.array([1.0]), t1=True)
    options = {"rtol": 1e-8, "atol": 1e-12, "max_steps": 2048}
    sol = sj.solve(problem, sj.Rodas5P(), saveat=saveat, adjoint=adjoint, **options)
    chosen = sol.ys[:, jnp.array([0, 1, 3, 6, 7, 8])]
    return jnp.sum((chosen / jnp.array([0.05, 0.15, 5e-3, 0.08, 0.32, 7e-3]) - 1.1) ** 2)


def relative_error(actual, expected):
    """The largest deviation in a leaf relative to that leaf's largest entry."""
    errors = jax.tree_util.tree_map(lambda a, b: jnp.max(jnp.abs(a - b)) / jnp.max(jnp.abs(b)), actual, expected)
    return float(max(jax.tree_util.tree_leaves(errors)))


def _laplacian(w):
    neighbours = sum(jnp.roll(w, shift, axis) for shift in (1, -1) for axis in (0, 1))
    return neighbours - 4.0 * w
