"""The error norm of step-size control."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp


def mean_square(values: Sequence, scales: Sequence) -> Any:
    """`mean(|v_i / s_i|^2)` over all entries of all leaves. Squared, because a square root per step buys nothing."""
    total, count = 0.0, 0
    for value, scale in zip(values, scales, strict=True):
        ratio = jnp.abs(value) / scale
        total = total + (jnp.sum(ratio * ratio) if ratio.ndim else ratio * ratio)
        count += ratio.size
    return total / count


def error_norm(error: tuple, y: tuple, y1: tuple, rtol: tuple, atol: tuple) -> Any:
    """The squared norm of a local error relative to `atol + rtol * max(|y|, |y1|)`; a step is accepted below one."""
    # The smallest normal number keeps an exactly zero error from giving 0/0 where atol and the state are zero.
    scales = [
        a + r * jnp.maximum(jnp.abs(start), jnp.abs(end)) + jnp.finfo(start.dtype).tiny
        for a, r, start, end in zip(atol, rtol, y, y1, strict=True)
    ]
    return mean_square(error, scales)
