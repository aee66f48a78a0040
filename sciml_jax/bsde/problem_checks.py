"""Checks of what a parabolic problem is made of."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core.tree import describe, is_concrete


def check_start(x0: Any) -> Float[Array, " d"]:
    """One point with at least one coordinate, as floats."""
    x0 = jnp.asarray(x0)
    if not jnp.issubdtype(x0.dtype, jnp.floating):
        if not jnp.issubdtype(x0.dtype, jnp.integer):
            msg = f"`x0` must be real; got dtype {x0.dtype}. Pass an array of floats."
            raise TypeError(msg)
        x0 = x0.astype(float)
    if x0.ndim != 1 or x0.size == 0:
        msg = f"`x0` must be one point, shape (d,); got shape {x0.shape}. For many points map with `jax.vmap`."
        raise ValueError(msg)
    if is_concrete(x0) and not np.all(np.isfinite(np.asarray(x0))):
        msg = f"`x0` must be finite; got {x0}. Check how it was computed."
        raise ValueError(msg)
    return x0


def check_coefficients(problem: Any) -> bool:
    """Refuse drifts, diffusions and transitions of a wrong shape; whether the diffusion is square."""
    d, t, x = problem.dim, problem.t0, problem.x0
    shape = jax.eval_shape(lambda t, x: problem.mu(t, x), t, x).shape
    if shape not in ((), (d,)):
        msg = f"`drift` must give a number or shape ({d},), like `x0`; got shape {shape}. One per coordinate."
        raise ValueError(msg)
    shape = problem.sigma_shape
    if shape not in ((), (d,)) and not (len(shape) == 2 and shape[0] == d and shape[1] > 0):
        msg = (
            f"`diffusion` must give a number, a diagonal ({d},) or a matrix ({d}, m) for `x0` of shape ({d},); got "
            f"shape {shape}. One row per coordinate, one column per Brownian motion."
        )
        raise ValueError(msg)
    dw = jax.ShapeDtypeStruct((problem.num_noises,), x.dtype)
    found = jax.eval_shape(lambda t, x, dw: problem.step(t, x, t, dw), t, x, dw).shape
    if found != (d,):
        msg = f"`transition` must return a point of shape ({d},); got shape {found}. Return the next `x`."
        raise ValueError(msg)
    return len(shape) < 2 or shape[0] == shape[1]


def check_terminal(problem: Any) -> None:
    """Refuse a terminal condition that is not a number, or not finite at `x0`."""
    found = jax.eval_shape(lambda x: problem.g(x), problem.x0)
    if found.shape != ():
        msg = f"`terminal` must return one number, shape (); got {describe(found)}. Sum over what is left, or index it."
        raise ValueError(msg)
    value = problem.g(problem.x0)
    if is_concrete(value) and not np.isfinite(np.asarray(value)):
        msg = f"`terminal` must be finite; got {float(value)} at `x0`. Check for log or root of a negative number."
        raise ValueError(msg)


def check_driver(problem: Any) -> None:
    """Refuse a driver that is not a number."""
    t, x = problem.t0, problem.x0
    z = jax.ShapeDtypeStruct((problem.num_noises,), x.dtype)
    found = jax.eval_shape(lambda t, x, z: problem.f(t, x, t, z), t, x, z)
    if found.shape != ():
        msg = (
            f"`driver` must return one number, shape (); got {describe(found)}. It is called with one point `x`, one "
            "number `u` and one vector `z`."
        )
        raise ValueError(msg)


def check_obstacle(problem: Any) -> None:
    """Refuse an obstacle that is not a number, or above the terminal value at `x0` or around it."""
    if problem.obstacle is None:
        return
    found = jax.eval_shape(lambda t, x: problem.obstacle(t, x), problem.t1, problem.x0)
    if getattr(found, "shape", None) != ():
        msg = f"`obstacle` must return one number, shape (); got {describe(found)}. It is called with `t` and one `x`."
        raise ValueError(msg)
    gaps, points = _gaps_of_obstacle(problem)
    if not is_concrete(gaps):
        return
    worst = int(np.argmin(np.nan_to_num(np.asarray(gaps))))
    if float(gaps[worst]) < 0:
        x = np.array2string(np.asarray(points[worst]), threshold=4, precision=4)
        msg = (
            f"`obstacle` must not be above the terminal value at t1; got one above it by {-float(gaps[worst]):.3g} at "
            f"x = {x}. Pass `terminal=lambda x: jnp.maximum(g(x), obstacle(t1, x))`."
        )
        raise ValueError(msg)


def _gaps_of_obstacle(problem: Any, count: int = 32) -> tuple[Array, Array]:
    """Terminal value less obstacle, with an allowance for rounding, at x0 and after one random step from it."""
    t0, t1, x0 = problem.t0, problem.t1, problem.x0
    noise = jnp.asarray(np.random.default_rng(0).standard_normal((count, problem.num_noises)), x0.dtype)
    noise = noise.at[0].set(0.0) * jnp.sqrt(t1 - t0)
    points = jax.vmap(lambda dw: x0 + problem.spread(t0, x0, dw))(noise)
    ends = jax.vmap(problem.g)(points)
    stops = jax.vmap(lambda x: jnp.asarray(problem.obstacle(t1, x), x.dtype))(points)
    return ends - stops + 1e2 * jnp.finfo(x0.dtype).eps * (1 + jnp.abs(ends) + jnp.abs(stops)), points
