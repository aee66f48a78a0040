"""Boundary value problems with known solutions."""

import jax.numpy as jnp
import numpy as np

from sciml_jax.equations.boundary_value import BVProblem


def bratu(guess, strength):
    """u'' = -strength exp(u), u(0) = u(1) = 0: two solutions below 3.5138, none above."""

    def field(t, y, strength):
        return jnp.stack([y[1], -strength * jnp.exp(y[0])])

    return BVProblem(field, lambda start, end, args: jnp.stack([start[0], end[0]]), guess, 0.0, 1.0, strength)


def bump(height):
    """A guess for Bratu's problem of a given height."""
    return lambda t: jnp.stack([4 * height * t * (1 - t), 4 * height * (1 - 2 * t)])


LOWER, UPPER = 0.14053921440047, 4.09146724618929
"""u(1/2) of Bratu's two solutions for strength 1: `2 log cosh(h / 4)` with `h = sqrt(2) cosh(h / 4)`."""


def bratu_slope(middle):
    """Derivative of u(1/2) with respect to the strength, at 1, from `h = sqrt(2 strength) cosh(h / 4)`."""
    quarter = np.arccosh(np.exp(middle / 2))
    slope = np.cosh(quarter) / np.sqrt(2) / (1 - np.sqrt(2) * np.sinh(quarter) / 4)
    return np.tanh(quarter) / 2 * slope


def line(theta):
    """u'' = k^2 u, u(t0) = 1, u(t1) = b, with theta = (k, b, t0, t1); b is closed over, the state is a dict."""
    k, b, t0, t1 = theta

    def field(t, y, k):
        return {"u": y["v"][0], "v": k**2 * y["u"][None]}

    def ends(start, end, args):
        return [start["u"] - 1, end["u"] - b]

    return BVProblem(field, ends, {"u": jnp.array(0.0), "v": jnp.zeros(1)}, t0, t1, k)


def line_exact(theta, t):
    """(u, u') of `line`."""
    k, b, t0, t1 = theta
    a, c = jnp.sinh(k * (t1 - t)), jnp.sinh(k * (t - t0))
    da, dc = -k * jnp.cosh(k * (t1 - t)), k * jnp.cosh(k * (t - t0))
    scale = jnp.sinh(k * (t1 - t0))
    return jnp.stack([(a + b * c) / scale, (da + b * dc) / scale])


def layer(width):
    """width^2 u'' = u, u(0) = 1, u(1) = 0: exp(-t / width) near the beginning."""

    def field(t, y, width):
        return jnp.stack([y[1], y[0]]) / width

    return BVProblem(field, lambda a, b, args: jnp.stack([a[0] - 1, b[0]]), jnp.zeros(2), 0.0, 1.0, width)
