"""Linear systems that couple neighbouring nodes, and the first with the last, by orthogonal elimination.

`A_i x_i + B_i x_(i+1) = r_i` for N links, and `C x_0 + D x_N = r_N`, for x of shape (N + 1, n).
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ...numerics.dense_lu import dense_lu_factor, dense_lu_solve
from ...numerics.loops import vary_like


class Blocks(NamedTuple):
    """The matrix."""

    left: Float[Array, "links n n"]
    right: Float[Array, "links n n"]
    first: Float[Array, "n n"]
    last: Float[Array, "n n"]


class Step(NamedTuple):
    """How a node was eliminated: `x = given @ (r, r') - before @ x_first - after @ x_next`; leaves (groups, n, ...)."""

    given: Any
    before: Any
    after: Any
    remaining: Any
    """What takes `(r, r')` to the right-hand side of the equation that is left over."""


def block_solver(blocks: Blocks) -> Callable[[Any], Any]:
    """Factor once and return `solve(r) -> x`, both of shape (N + 1, n).

    The links are cut into sqrt(N) groups. In each, all groups at once, the nodes inside are eliminated one after the
    other by Householder reflections of the two equations around them; one equation between the ends of each group
    remains. Those are eliminated likewise, until the two ends of the interval are left, which are solved for with the
    boundary conditions. Orthogonal, so that growing and decaying modes are both harmless.

    Cost: about 30 N n^3 flops, and 12 N n^2 for each solve; memory 8 N n^2. The depth is 2 sqrt(N) n.

    Notes
    -----
    Differentiable in both modes and to any order; `solve` is linear and reuses the factors. A singular matrix gives
    non-finite results.

    References
    ----------
    Wright, Stable parallel algorithms for two-point boundary value problems, SIAM J. Sci. Stat. Comput. 13 (1992)
    742-764.
    """
    blocks = vary_like(blocks, blocks)
    factors = _factor(blocks)
    return lambda rhs: _solve(blocks, factors, vary_like(rhs, rhs, blocks))


def where_usable(usable: Any, blocks: Blocks) -> Blocks:
    """The matrix, or where it is not usable a regular one, so that a zero solved with it stays zero and not NaN."""
    identity = jnp.eye(blocks.first.shape[0], dtype=blocks.first.dtype)
    regular = Blocks(-identity, identity, identity, 0 * identity)
    return Blocks(*(jnp.where(usable, block, other) for block, other in zip(blocks, regular, strict=True)))


def _factor(blocks: Blocks) -> tuple:
    n = blocks.first.shape[0]
    groups, _ = _grouping(blocks.left.shape[0])
    identity = jnp.eye(n, dtype=blocks.left.dtype)
    left, right = _grouped(blocks.left, -identity), _grouped(blocks.right, identity)
    steps, left, right = _condense(left, right)
    tops, left, right = _condense(left[:, None], right[:, None]) if groups > 1 else (None, left, right)
    ends = jnp.block([[left[0], right[0]], [blocks.first, blocks.last]])
    return steps, tops, dense_lu_factor(ends)


def _grouping(links: int) -> tuple[int, int]:
    """How many groups, and how many links in each."""
    length = math.isqrt(links - 1) + 1
    return -(-links // length), length


def _grouped(rows: Any, filling: Any) -> Any:
    """Links by their place in the group, shape (length, groups, ...); the last group is filled up."""
    groups, length = _grouping(rows.shape[0])
    missing = groups * length - rows.shape[0]
    extra = jnp.broadcast_to(filling, (missing, *rows.shape[1:]))
    return jnp.swapaxes(jnp.concatenate([rows, extra]).reshape(groups, length, *rows.shape[1:]), 0, 1)


def _condense(left: Any, right: Any) -> tuple[Step, Any, Any]:
    """Eliminate the nodes inside each group, shape (length, groups, n, n): what remains links the group's ends."""

    def eliminate(carry, link):
        step, *remaining = _eliminate(*carry, *link)
        return tuple(remaining), step

    (before, after), steps = lax.scan(eliminate, (left[0], right[0]), (left[1:], right[1:]))
    return steps, before, after


def _eliminate(a: Any, b: Any, c: Any, d: Any) -> tuple[Step, Any, Any]:
    """Eliminate x from `a x_first + b x = r` and `c x + d x_next = r'`; a batch of them."""
    n = a.shape[1]
    none = jnp.zeros_like(a)
    identity = jnp.broadcast_to(jnp.eye(2 * n, dtype=a.dtype), (a.shape[0], 2 * n, 2 * n))
    rows = jnp.concatenate([jnp.concatenate([b, a, none], 2), jnp.concatenate([c, none, d], 2)], 1)
    rows = _reflected(jnp.concatenate([rows, vary_like(identity, rows)], 2), n)
    upper = _back_substituted(rows[:, :n, :n], rows[:, :n, n:])
    step = Step(upper[:, :, 2 * n :], upper[:, :, :n], upper[:, :, n : 2 * n], rows[:, n:, 3 * n :])
    return step, rows[:, n:, n : 2 * n], rows[:, n:, 2 * n : 3 * n]


def _reflected(rows: Any, columns: int) -> Any:
    """Householder reflections that make the first columns upper triangular, applied to all columns; a batch of them."""
    index = jnp.arange(rows.shape[1])

    def reflect(k, rows):
        column = jnp.where(index >= k, rows[:, :, k], 0)
        head = rows[:, k, k]
        length = jnp.sqrt(jnp.sum(column**2, 1))
        shifted = column + jnp.where(index == k, jnp.where(head >= 0, length, -length)[:, None], 0)
        weight = 2 / jnp.sum(shifted**2, 1)
        along = jnp.sum(shifted[:, :, None] * rows, 1)
        return rows - (weight[:, None] * shifted)[:, :, None] * along[:, None, :]

    return lax.fori_loop(0, columns, reflect, rows)


def _back_substituted(upper: Any, rhs: Any) -> Any:
    """Solve with a batch of upper triangular matrices and many right-hand sides."""
    n = upper.shape[1]
    index = jnp.arange(n)[:, None]

    def substitute(step, x):
        k = n - 1 - step
        row = x[:, k] / upper[:, k, k][:, None]
        above = jnp.where(index < k, upper[:, :, k][:, :, None], 0)
        return jnp.where(index == k, row[:, None, :], x - above * row[:, None, :])

    return lax.fori_loop(0, n, substitute, rhs)


@jax.custom_jvp
def _solve(blocks: Blocks, factors: tuple, rhs: Any) -> Any:
    del blocks
    steps, tops, ends = factors
    links, n = rhs.shape[0] - 1, rhs.shape[1]
    rows = _grouped(rhs[:-1], jnp.zeros(n, rhs.dtype))
    between, rests = _reduced(steps, rows)
    rest, reduced = between[0], None
    if tops is not None:
        between, reduced = _reduced(tops, between[:, None])
        rest = between[0]
    outer = dense_lu_solve(ends, jnp.concatenate([rest, rhs[-1]])).reshape(2, n)
    if tops is not None:
        outer = _expanded(tops, reduced, outer[:1], outer[1:])[:, 0]
    inner = _expanded(steps, rests, outer[:-1], outer[1:])
    nodes = jnp.swapaxes(inner[:-1], 0, 1).reshape(-1, n)
    # Nodes beyond the last link were filled in and equal the last one.
    return jnp.concatenate([nodes, outer[-1:]])[: links + 1]


def _reduced(steps: Step, rows: Any) -> tuple[Any, Any]:
    """Right-hand sides (length, groups, n) through the elimination: what remains, and those of each elimination."""

    def pass_on(carry, at):
        step, row = at
        pair = jnp.concatenate([carry, row], 1)
        return _times(step.remaining, pair), _times(step.given, pair)

    return lax.scan(pass_on, rows[0], (steps, rows[1:]))


def _expanded(steps: Step, given: Any, first: Any, last: Any) -> Any:
    """All nodes of each group from its ends, shape (length + 1, groups, n)."""

    def step_back(after, at):
        step, own = at
        x = own - _times(step.before, first) - _times(step.after, after)
        return x, x

    _, inner = lax.scan(step_back, last, (steps, given), reverse=True)
    return jnp.concatenate([first[None], inner, last[None]])


@_solve.defjvp
def _solve_jvp(primals, tangents):
    blocks, factors, rhs = primals
    moved, _, rhs_dot = tangents
    x = _solve(blocks, factors, rhs)
    links = _times(moved.left, x[:-1]) + _times(moved.right, x[1:])
    ends = _times(moved.first[None], x[:1]) + _times(moved.last[None], x[-1:])
    # The derivative of the linear system itself: reuses the factors and does not look at theirs.
    return x, _solve(blocks, factors, rhs_dot - jnp.concatenate([links, ends]))


def _times(matrices: Any, vectors: Any) -> Any:
    return jnp.einsum("pij,pj->pi", matrices, vectors, precision=lax.Precision.HIGHEST)
