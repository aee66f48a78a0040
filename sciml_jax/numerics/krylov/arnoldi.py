"""One cycle of GMRES for several systems at once: the Krylov basis and the small least-squares problem.

All arrays have the lanes in front. The lanes share the loop counter: a lane that is done gets zero vectors, so nothing
has to be selected between old and new values of the basis, and its coefficients stay what they were.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Inexact, Int

from ..loops import while_loop

CHUNK = 4
"""Basis vectors per matrix-vector product. Products with the whole buffer would cost as much in the first step as in
the last; vector by vector costs five times more per vector on a CPU (measured with 8,192 and 32,768 unknowns)."""


class Cycle(NamedTuple):
    """What an Arnoldi process has built."""

    basis: Inexact[Array, "lanes rows n"]
    """Orthonormal vectors as rows; rows beyond the step hold anything finite."""
    triangle: Inexact[Array, "lanes m m"]
    """R of the QR factorisation of the Hessenberg matrix."""
    rotation: Inexact[Array, "lanes m1 m1"]
    """Product of the Givens rotations."""
    projected: Inexact[Array, "lanes m1"]
    """The rotated right-hand side; its last entry in use is the residual's norm."""
    count: Int[Array, " lanes"]
    """Columns that each lane uses."""
    active: Bool[Array, " lanes"]
    """Lanes that go on."""
    step: Int[Array, ""]
    """Steps made."""


def norm(vectors: Inexact[Array, "lanes n"], squares: Any) -> Float[Array, " lanes"]:
    """The Euclidean norm of each row, with `squares` as weights of the squared entries (None: ones)."""
    sizes = jnp.abs(vectors) if jnp.iscomplexobj(vectors) else vectors
    terms = sizes * sizes if squares is None else squares * sizes * sizes
    return jnp.sqrt(jnp.sum(terms, axis=1))


def empty_basis(residual: Inexact[Array, "lanes n"], restart: int) -> Inexact[Array, "lanes rows n"]:
    """A buffer for `restart + 1` vectors, in whole chunks."""
    rows = -(-(restart + 1) // CHUNK) * CHUNK
    return jnp.zeros((residual.shape[0], rows, residual.shape[1]), residual.dtype)


def arnoldi(
    operator: Callable, residual: Any, size: Any, target: Any, running: Any, basis: Any, squares: Any, limits: tuple
) -> Cycle:
    """Build the Krylov space of `operator` from `residual` (of norm `size`) until every lane has reached its `target`.

    `operator(vectors, step)` gets the number of the step too. `limits` are the restart length (static) and the number
    of steps that are left over.
    """
    restart, left = limits
    lanes, dtype = residual.shape[0], residual.dtype
    active = running & (size > target)
    first = jnp.where(active, 1.0 / jnp.where(active, size, 1.0), 0.0)[:, None] * residual
    one = jnp.eye(restart + 1, dtype=dtype)
    init = Cycle(
        basis.at[:, 0].set(first),
        jnp.zeros((lanes, restart, restart), dtype),
        jnp.broadcast_to(one, (lanes, *one.shape)),
        size.astype(dtype)[:, None] * one[0],
        jnp.zeros(lanes, int),
        active,
        jnp.zeros((), int),
    )

    def unfinished(cycle):
        return (cycle.step < jnp.minimum(restart, left)) & jnp.any(cycle.active)

    return while_loop(unfinished, lambda cycle: _extend(operator, cycle, target, squares), init, residual, left)


def combine(cycle: Cycle) -> Inexact[Array, "lanes n"]:
    """The combination of basis vectors that minimises the residual, lane by lane."""
    m = cycle.triangle.shape[1]

    def substitute(carry):
        k, rest, solution = carry
        column = lax.dynamic_index_in_dim(cycle.triangle, k, 2, keepdims=False)
        pivot, value = _entry(column, k), _entry(rest, k)
        used = (k < cycle.count) & (pivot != 0)
        x = jnp.where(used, value / jnp.where(used, pivot, 1.0), 0.0)
        return k - 1, rest - x[:, None] * column, solution.at[:, k].set(x)

    rows = cycle.basis.shape[1]
    init = (cycle.step - 1, cycle.projected[:, :m], jnp.zeros((cycle.basis.shape[0], rows), cycle.basis.dtype))
    _, _, solution = while_loop(lambda carry: carry[0] >= 0, substitute, init, cycle)

    def add(carry):
        start, total = carry
        part = lax.dynamic_slice_in_dim(solution, start, CHUNK, 1)
        # Rows beyond the step may be left over from an earlier cycle; their coefficients are zero.
        return start + CHUNK, total + _times(part, lax.dynamic_slice_in_dim(cycle.basis, start, CHUNK, 1))

    total = jnp.zeros_like(cycle.basis[:, 0])
    init = (jnp.zeros((), int), total)
    return while_loop(lambda carry: carry[0] < cycle.step, add, init, cycle)[1]


def estimate(cycle: Cycle) -> Float[Array, " lanes"]:
    """The norm of each lane's residual, from the least-squares problem."""
    return jnp.abs(jnp.take_along_axis(cycle.projected, cycle.count[:, None], axis=1)[:, 0])


def _extend(operator: Callable, cycle: Cycle, target: Any, squares: Any) -> Cycle:
    """One step: a new basis vector, a new column of R, a new rotation."""
    j = cycle.step
    image = operator(lax.dynamic_index_in_dim(cycle.basis, j, 1, keepdims=False), j)
    length = norm(image, squares)
    vector, column = _orthogonalise(cycle.basis, image, j, squares)
    height = norm(vector, squares)
    tiny = 10.0 * jnp.finfo(cycle.basis.dtype).eps * length
    # A product that is not finite ends the lane with what it has.
    usable = cycle.active & jnp.isfinite(length)
    grows = usable & (height > tiny)
    height = jnp.where(grows, height, 0.0)
    # Selected, not multiplied: what is not usable may be NaN.
    vector = jnp.where(grows[:, None], vector / jnp.where(grows, height, 1.0)[:, None], 0.0)
    m1 = cycle.projected.shape[1]
    column = jnp.where(usable[:, None], column[:, :m1], 0.0)
    column = jnp.einsum("bij,bj->bi", cycle.rotation, column, precision=lax.Precision.HIGHEST)
    top = _entry(column, j)
    radius = jnp.sqrt(jnp.abs(top) ** 2 + height**2)
    # Without a pivot (a singular operator) the rotation swaps the two entries: the residual stays as it is.
    flat = ~(radius > tiny)
    divisor = jnp.where(flat, 1.0, radius)
    cosine = jnp.where(flat, 0.0, top / divisor)
    sine = jnp.where(flat, 1.0, height / divisor).astype(top.dtype)
    column = jnp.where(jnp.arange(m1) < j, column, 0.0).at[:, j].set(jnp.where(flat, 0.0, radius).astype(top.dtype))
    projected = _rotate(cycle.projected[..., None], j, cosine, sine, usable)[..., 0]
    return Cycle(
        lax.dynamic_update_index_in_dim(cycle.basis, vector, j + 1, 1),
        lax.dynamic_update_index_in_dim(cycle.triangle, column[:, : m1 - 1], j, 2),
        _rotate(cycle.rotation, j, cosine, sine, usable),
        projected,
        cycle.count + usable,
        grows & (jnp.abs(_entry(projected, j + 1)) > target),
        j + 1,
    )


def _orthogonalise(basis: Any, vector: Any, last: Any, squares: Any) -> tuple[Any, Any]:
    """`vector` without its parts along rows 0 to `last`, and those parts; Gram-Schmidt twice, in chunks of rows."""
    chunks = last // CHUNK + 1

    def project(carry):
        k, vector, parts = carry
        start = CHUNK * jnp.where(k < chunks, k, k - chunks)
        rows = lax.dynamic_slice_in_dim(basis, start, CHUNK, 1)
        weighted = vector if squares is None else squares * vector
        part = _products(rows, weighted)
        part = jnp.where(start + jnp.arange(CHUNK) <= last, part, 0.0)
        sums = lax.dynamic_slice_in_dim(parts, start, CHUNK, 1) + part
        parts = lax.dynamic_update_slice_in_dim(parts, sums, start, 1)
        return k + 1, vector - _times(part, rows), parts

    init = (jnp.zeros((), int), vector, jnp.zeros(basis.shape[:2], basis.dtype))
    _, vector, parts = while_loop(lambda carry: carry[0] < 2 * chunks, project, init, basis, vector, squares, last)
    return vector, parts


def _rotate(rows: Any, j: Any, cosine: Any, sine: Any, usable: Any) -> Any:
    """The Givens rotation of rows j and j + 1, in the lanes that are usable."""
    pair = lax.dynamic_slice_in_dim(rows, j, 2, 1)
    c, s = cosine[:, None], sine[:, None]
    turned = jnp.stack([jnp.conj(c) * pair[:, 0] + s * pair[:, 1], c * pair[:, 1] - s * pair[:, 0]], axis=1)
    return lax.dynamic_update_slice_in_dim(rows, jnp.where(usable[:, None, None], turned, pair), j, 1)


def _entry(vectors: Any, k: Any) -> Any:
    return lax.dynamic_index_in_dim(vectors, k, 1, keepdims=False)


def _products(rows: Any, vectors: Any) -> Any:
    """Each lane's scalar products of its rows with its vector."""
    if vectors.shape[0] == 1:  # a plain matrix-vector product is faster than a batch of one
        return jnp.matmul(jnp.conj(rows[0]), vectors[0], precision=lax.Precision.HIGHEST)[None]
    return jnp.einsum("bij,bj->bi", jnp.conj(rows), vectors, precision=lax.Precision.HIGHEST)


def _times(vectors: Any, rows: Any) -> Any:
    """Each lane's combination of its rows."""
    if vectors.shape[0] == 1:
        return jnp.matmul(vectors[0], rows[0], precision=lax.Precision.HIGHEST)[None]
    return jnp.einsum("bi,bij->bj", vectors, rows, precision=lax.Precision.HIGHEST)
