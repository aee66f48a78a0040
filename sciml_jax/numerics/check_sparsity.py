"""Whether a sparsity pattern holds all that a function's Jacobian has."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact

from ..core.tree import describe, is_concrete
from .coloring import Coloring, color_columns
from .compressed_jacobian import check_function, compressed_jacobian
from .sparse_matrix import sparse_matvec
from .sparsity import SparsityPattern


def check_sparsity(
    function: Callable,
    y: Inexact[Array, " n"],
    pattern: SparsityPattern,
    coloring: Coloring | None = None,
    *,
    points: int = 3,
    key: Any = 0,
) -> None:
    """Raise where the Jacobian of a function has an entry that the pattern lacks.

    At `y` and at random points near it, products of the Jacobian with random vectors are compared with those of the
    coloured Jacobian. Where a row differs, the column is found by halving.

    Parameters
    ----------
    function
        `f(y) -> array` of shape (m,).
    y
        The centre of the points: they differ from it by some percent of each component and of the whole.
    pattern, coloring
        As for `compressed_jacobian`.
    points
        How many points. An entry that vanishes at all of them goes unnoticed.
    key
        Random key, or an integer seed.

    Raises
    ------
    ValueError
        Naming the row and column of a missing entry.

    Notes
    -----
    Cost: per point the coloured Jacobian and one product more; on the host, so not inside `jit`. Points where the
    function or its derivative is not finite are passed over. An entry below rounding, relative to what else is in its
    row, goes unnoticed.
    """
    if not is_concrete(y):
        msg = (
            f"A sparsity pattern is checked with concrete values; got {describe(y)} while tracing. Check outside `jit`."
        )
        raise TypeError(msg)
    check_function(function, y, pattern)
    coloring = color_columns(pattern) if coloring is None else coloring
    key = jax.random.key(key) if isinstance(key, int) else key
    probe = jax.jit(lambda y, v: _compare(function, y, v, pattern, coloring))
    for index in range(points):
        for_point, for_vector = jax.random.split(jax.random.fold_in(key, index))
        point = y if index == 0 else _nearby(y, for_point)
        vector = jax.random.rademacher(for_vector, y.shape, y.dtype) * (
            1 + 0.5 * jax.random.uniform(for_point, y.shape)
        )
        difference, scale = (np.asarray(part) for part in probe(point, vector.astype(y.dtype)))
        excess = np.where(np.isfinite(difference), np.abs(difference), 0) / np.where(scale > 0, scale, 1)
        # Rounding grows with the number of terms in a row, which the pattern bounds.
        if excess.max(initial=0.0) > 100 * (pattern.max_per_row + 1) * np.finfo(excess.dtype).eps:
            _refuse(function, point, pattern, int(np.argmax(excess)), vector)


def _compare(function: Callable, y: Any, vector: Any, pattern: SparsityPattern, coloring: Coloring) -> tuple:
    """The product with the Jacobian less that with the coloured one, and the size of the terms in each row."""
    values = compressed_jacobian(function, y, pattern, coloring)
    exact = jax.jvp(function, (y,), (vector.astype(y.dtype),))[1]
    scale = sparse_matvec(jnp.abs(values), pattern, jnp.abs(vector)) + jnp.abs(exact)
    return exact - sparse_matvec(values, pattern, vector), scale


def _nearby(y: Any, key: Any) -> Any:
    relative, absolute = jax.random.split(key)
    typical = jnp.sqrt(jnp.mean(jnp.abs(y) ** 2))
    typical = jnp.where((typical > 0) & jnp.isfinite(typical), typical, 1.0)
    # Upwards from zero, because states that must stay nonnegative are common.
    sign = jnp.where(jnp.real(y) < 0, -1.0, 1.0)
    moved = y * (1 + 0.05 * jax.random.uniform(relative, y.shape))
    return (moved + 0.02 * sign * typical * jax.random.uniform(absolute, y.shape)).astype(y.dtype)


def _refuse(function: Callable, y: Any, pattern: SparsityPattern, row: int, vector: Any) -> None:
    own = pattern.cols[pattern.row_starts[row] : pattern.row_starts[row + 1]]
    others = np.setdiff1d(np.arange(pattern.shape[1]), own)
    entry = jax.jit(lambda v: jax.jvp(function, (y,), (v,))[1][row])

    def depends_on(columns: np.ndarray) -> bool:
        seed = jnp.zeros_like(y).at[columns].set(vector[columns].astype(y.dtype))
        return bool(entry(seed) != 0)

    if others.size == 0 or not depends_on(others):
        where = f"one in a row near {row}"
    else:
        while others.size > 1:
            half = others[: others.size // 2]
            others = half if depends_on(half) else others[others.size // 2 :]
        where = f"({row}, {others[0]})"
    msg = (
        f"A sparsity pattern must hold every entry of the Jacobian that may differ from zero; {pattern!r} lacks "
        f"{where} (row, column). Add it, or let `detect_sparsity` find the pattern; an entry that is missing corrupts "
        "others."
    )
    raise ValueError(msg)
