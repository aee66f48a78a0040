"""Losses shared by the training tests."""

import jax
import jax.numpy as jnp
import numpy as np

CURVATURE = jnp.array([1.0, 2.0, 3.0])


def quadratic(params, batch, key):
    del batch, key
    return 0.5 * jnp.sum(CURVATURE * (params["x"] - 1.0) ** 2)


def rosenbrock(x, batch, key):
    del batch, key
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_residuals(x, batch, key):
    del batch, key
    return {"valley": 10 * (x[1:] - x[:-1] ** 2), "offset": 1 - x[:-1]}


def regression_data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    return {"x": x, "y": x @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.normal(size=40)}


def noisy_regression(params, batch, key):
    """Uses the batch and the key, so that a wrong batch or key shows in the bits."""
    residual = batch["x"] @ params["w"] - batch["y"]
    return jnp.mean(residual**2) + 0.01 * jnp.sum(params["w"]) * jax.random.normal(key)


def nan_below(threshold):
    """A loss x -> x**2 that is NaN once x < threshold."""
    return lambda params, batch, key: jnp.where(params["x"] < threshold, jnp.nan, params["x"] ** 2)
