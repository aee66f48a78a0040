"""What the machine's arithmetic can do, measured by matrix products large enough to be bound by it."""

import os
import time

import jax
import jax.numpy as jnp
import numpy as np


def best_seconds(call, repeats: int) -> float:
    """The shortest of several runs, after one that is not timed: the machine at its best."""
    jax.block_until_ready(call())
    samples = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call())
        samples.append(time.perf_counter() - start)
    return float(np.min(samples))


def matmul_peak(dtype, rows: int, inner: int, columns: int, quick: bool) -> dict[str, float]:
    """Operations per second of a large square product, and of one of the size (rows, inner) x (inner, columns)."""
    repeats, chain = (3, 50) if quick else (9, 400)
    y, w = jnp.ones((rows, inner), dtype), jnp.eye(inner, columns, dtype=dtype)
    # Products in a loop, as in a solver: a single one would be lost in the cost of a call.
    looped = jax.jit(lambda y, w: jax.lax.fori_loop(0, chain, lambda i, z: z @ w, y))
    small = 2.0 * rows * inner * columns * chain / best_seconds(lambda: looped(y, w), repeats)
    return {"large": square_peak(dtype, quick), "this size": small}


def square_peak(dtype, quick: bool) -> float:
    """Operations per second of a large square matrix product on all cores: the better of XLA's and NumPy's."""
    n, repeats = (256, 3) if quick else (2048, 9)
    a = jnp.ones((n, n), dtype)
    b = np.ones((n, n), np.dtype(dtype))
    square = jax.jit(lambda a: a @ a)
    return 2.0 * n**3 / min(best_seconds(lambda: square(a), repeats), best_seconds(lambda: b @ b, repeats))


def core_peak(quick: bool) -> float:
    """float64 operations per second of one core: the peak of all, divided."""
    return square_peak(jnp.float64, quick) / len(os.sched_getaffinity(0))
