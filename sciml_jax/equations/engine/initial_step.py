"""The size of the first step."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from .norms import mean_square


def initial_step(
    system: Any,
    t0: Any,
    t1: Any,
    y0: tuple,
    f0: tuple,
    rtol: tuple,
    atol: tuple,
    order: int,
    slope: Callable[[tuple], tuple] | None = None,
) -> Any:
    """A first step (positive) whose local error should meet the tolerance; costs one evaluation of the vector field.

    Compares the sizes of y, y' and an estimate of y'' in the error norm: Hairer, Nørsett & Wanner, Solving Ordinary
    Differential Equations I (1993), II.4. With a mass matrix `slope` makes y' of f, zero for algebraic variables, which
    then do not count.
    """
    if slope is not None:
        f0 = slope(f0)
    span = jnp.abs(t1 - t0)
    direction = jnp.sign(t1 - t0)
    scale = [a + r * jnp.abs(y) for a, r, y in zip(atol, rtol, y0, strict=True)]
    size_y = jnp.sqrt(mean_square(y0, scale)).astype(span.dtype)
    size_f = jnp.sqrt(mean_square(f0, scale)).astype(span.dtype)
    tiny = (size_y < 1e-5) | (size_f < 1e-5)
    # Where y = 0 with atol = 0 the sizes are infinite or NaN: any small step will do, the controller corrects it.
    guess = jnp.where(tiny, 1e-6, 0.01 * size_y / size_f)
    guess = jnp.where(jnp.isfinite(guess), guess, 1e-6 * span)
    guess = jnp.minimum(guess, span)
    step = direction * guess
    y1 = tuple(y + step.astype(y.real.dtype) * f for y, f in zip(y0, f0, strict=True))
    f1 = system.vector_field(t0 + step, y1)
    if slope is not None:
        f1 = slope(f1)
    change = tuple(b - a for a, b in zip(f0, f1, strict=True))
    size_change = jnp.sqrt(mean_square(change, scale)).astype(span.dtype) / guess
    largest = jnp.maximum(size_f, size_change)
    better = jnp.where(largest <= 1e-15, jnp.maximum(1e-6, 1e-3 * guess), (0.01 / largest) ** (1.0 / order))
    better = jnp.where(jnp.isfinite(better), better, guess)
    return jnp.minimum(jnp.minimum(100 * guess, better), span)
