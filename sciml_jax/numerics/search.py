"""Searching in sorted arrays, unrolled: no loop inside the loops of an integrator."""

from typing import Any

import jax.numpy as jnp


def count_passed(times: Any, t: Any, direction: Any = 1) -> Any:
    """How many of `times`, sorted along `direction` (1 or -1), lie at or before `t`.

    Parameters
    ----------
    times
        Shape (S,), increasing where `direction` is 1, decreasing where it is -1.
    t
        A scalar; NaN has passed nothing.
    direction
        1 or -1, may be traced.

    Returns
    -------
    Array
        An int32 between 0 and S.

    Notes
    -----
    Bisection by powers of two: `log2(S) + 1` reads of one entry each, written out, where a comparison with every entry
    would cost S. `jnp.searchsorted` makes either a loop or S comparisons of it, and knows increasing arrays only.
    """
    times = jnp.asarray(times)
    size = times.shape[0]
    count = jnp.zeros((), jnp.int32)
    stride = 1 << (size.bit_length() - 1) if size else 0
    while stride:
        probe = count + stride
        time = times[jnp.minimum(probe, size) - 1]
        count = jnp.where((probe <= size) & (direction * time <= direction * t), probe, count)
        stride //= 2
    return count
