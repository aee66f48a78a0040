"""The error norm of step-size control."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp


def mean_square(values: Sequence, scales: Sequence) -> Any:
    """`mean(|v_i / s_i|^2)` over all entries of all leaves. Squared, because a square root per step buys nothing."""
    total, count = 0.0, 0
    for value, scale in zip(values, scales, strict=True):
        # A real number needs no absolute value to be squared, and XLA counts it (see `one_kernel.CHEAP`).
        ratio = (jnp.abs(value) if jnp.iscomplexobj(value) else value) / scale
        total = total + (jnp.sum(ratio * ratio) if ratio.ndim else ratio * ratio)
        count += ratio.size
    return total / count


def largest_square(values: Sequence, y: tuple, rtol: tuple, atol: tuple) -> Any:
    """The largest `(v_i / (atol + rtol |y_i|))^2` over all entries of all leaves."""
    ratios = [v / (a + r * jnp.abs(start)) for a, r, start, v in zip(atol, rtol, y, values, strict=True)]
    return jnp.max(jnp.stack([jnp.max(ratio * ratio) for ratio in ratios]))


def error_norm(error: tuple, y: tuple, y1: tuple, rtol: tuple, atol: tuple) -> Any:
    """The squared norm of a local error relative to `atol + rtol * max(|y|, |y1|)`; a step is accepted below one.

    `atol` must be positive, if only by the smallest normal number: an exactly zero error then never gives 0/0.
    """
    scales = [
        a + r * jnp.maximum(jnp.abs(start), jnp.abs(end)) for a, r, start, end in zip(atol, rtol, y, y1, strict=True)
    ]
    return mean_square(error, scales)
