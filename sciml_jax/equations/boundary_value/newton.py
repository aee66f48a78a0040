"""Damped Newton iteration for equations with a structured Jacobian."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from ...core.status import Status
from ...numerics.loops import vary_like, while_loop

SMALLEST_DAMPING = 2.0**-10

NOT_CONVERGED = Status.NOT_CONVERGED
"""What an iteration that stagnates or runs out of iterations, and a mesh that is too coarse, are reported as."""


class Found(NamedTuple):
    """How a search went, as arrays."""

    status: Any
    num_iterations: Any
    num_tried: Any
    """Residuals that were evaluated."""
    num_evaluations: Any
    """Evaluations of the vector field in them."""


class Evaluated(NamedTuple):
    """A residual and how its evaluation went."""

    residual: Any
    status: Any
    num_evaluations: Any


def newton(
    evaluate: Callable, linearise: Callable, tolerance: Callable, guess: Any, max_iterations: int, *operands: Any
) -> tuple[Any, Found]:
    """Solve `F(y) = 0` by `y <- y - a F'(y)^-1 F(y)`, the factor a halved from 1 until the next correction is smaller.

    Converged when the correction is below the tolerance in the root-mean-square norm; it is still applied, so that the
    error is about its square. Ends when the factor falls below 2^-10.

    Parameters
    ----------
    evaluate
        `y -> Evaluated`.
    linearise
        `y -> solve`, with `solve(r)` the solution of `F'(y) x = r`.
    tolerance
        `y ->` what a correction is measured by, broadcasting to y.
    guess
        Any array.
    max_iterations
        Bound on the iterations.
    operands
        What the functions close over, for `shard_map`.

    References
    ----------
    Deuflhard, Newton Methods for Nonlinear Problems (2004), chapter 3.
    """

    def improve(carry):
        y, value, found, _ = carry
        solve, scale = linearise(y), tolerance(y)
        correction = -solve(value.residual)
        length = _size(correction, scale)
        y1, value1, stuck, tried, work = _damped(evaluate, solve, y, value, correction, length, scale, operands)
        singular = ~jnp.isfinite(length)
        converged = length <= 1.0
        status = jnp.where(stuck & ~converged, jnp.int32(NOT_CONVERGED), found.status)
        status = jnp.where(singular, jnp.int32(Status.SINGULAR), status)
        found = Found(status, found.num_iterations + 1, found.num_tried + tried, found.num_evaluations + work)
        return vary_like((y1, value1, found, converged | (status != Status.SUCCESS)), operands)

    first = evaluate(guess)
    finite = jnp.all(jnp.isfinite(first.residual)) & jnp.all(jnp.isfinite(guess))
    reason = jnp.where(first.status == Status.SUCCESS, jnp.int32(Status.NON_FINITE), first.status)
    zero, one = jnp.int32(0), jnp.int32(1)
    found = Found(jnp.where(finite, jnp.int32(Status.SUCCESS), reason), zero, one, first.num_evaluations)
    going = lambda carry: ~carry[3] & (carry[2].num_iterations < max_iterations)
    y, _, found, ended = while_loop(going, improve, (guess, first, found, ~finite), first, operands)
    return y, found._replace(status=jnp.where(ended, found.status, jnp.int32(NOT_CONVERGED)))


def _damped(evaluate, solve, y, value, correction, length, scale, operands):
    """The longest step, halved from 1, after which the next correction is smaller; whether none is; and the work."""

    def is_too_long(factor, ahead):
        # Below one the iteration is done, whatever comes next, as long as it can be evaluated; NaN is too long.
        return ~(ahead <= jnp.where(length <= 1.0, jnp.inf, (1 - factor / 4) * length))

    def too_long(carry):
        factor, _, _, ahead, _, _ = carry
        return jnp.isfinite(length) & is_too_long(factor, ahead) & (factor > SMALLEST_DAMPING)

    def shorten(carry):
        factor, _, _, _, tried, work = carry
        factor = factor / 2
        y1 = y + factor * correction
        value = evaluate(y1)
        tried, work = tried + 1, work + value.num_evaluations
        return vary_like((factor, y1, value, _size(solve(value.residual), scale), tried, work), operands)

    # Entered with twice the full step, unevaluated, so that the residual is in the program once.
    two = jnp.full((), 2, y.dtype)
    init = (two, y, value, jnp.full((), jnp.nan, y.dtype), jnp.int32(0), jnp.int32(0))
    factor, y1, value1, ahead, tried, work = while_loop(too_long, shorten, init, y, correction, scale, operands)
    return y1, value1, is_too_long(factor, ahead), tried, work


def _size(vector: Any, scale: Any) -> Any:
    return jnp.sqrt(jnp.mean((vector / scale) ** 2))


def as_floats(found: Found, like: Any) -> Found:
    """Counts as floats, whose tangents are zeros of the same type."""
    return Found(*(count.astype(like.dtype) for count in found))


def search_stats(found: Found, t1: Any) -> dict[str, Any]:
    """The fields of `Stats`: Newton's iterations as steps, shortened ones as rejected, the evaluations in residuals."""
    iterations, tried, evaluations = (count.astype(jnp.int32) for count in found[1:])
    rejected = jnp.maximum(tried - iterations - 1, 0)
    return {
        "num_steps": iterations + rejected,
        "num_accepted": iterations,
        "num_rejected": rejected,
        "num_vector_field": evaluations,
        "num_jacobian": iterations,
        "num_factorisation": iterations,
        "num_jvp": jnp.full_like(iterations, -1),
        "t_last": t1,
        "h_last": jnp.full_like(t1, jnp.nan),
    }
