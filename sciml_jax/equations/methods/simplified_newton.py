"""Newton iterations with a matrix that stays, stopped by their rate of convergence."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from ...numerics.combine import linear_combination
from ...numerics.loops import while_loop

MAX_ITERATIONS = 6
"""Newton iterations before an attempt is given up."""

ACCURACY = 0.03
"""Bound on the error that the iteration leaves, in units of the tolerance."""


class Solved(NamedTuple):
    """How an iteration ended, as floats."""

    converged: Any
    """One or zero."""
    iterations: Any
    rate: Any
    """The last quotient of successive corrections."""
    products: Any = 0.0
    """Jacobian-vector products that the linear systems took."""


def simplified_newton(
    system: Any,
    correction: Any,
    guess: tuple,
    rate: Any,
    operands: Any,
    accuracy: float = ACCURACY,
    norm: Any = None,
    state: tuple | None = None,
    iterations: int = MAX_ITERATIONS,
) -> tuple[tuple, Solved]:
    """Iterate `z <- z + c`, `c, products = correction(z)`, until the error left is below `accuracy` tolerances.

    The error after a correction `d_k` is at most `rate / (1 - rate) |d_k|`; the iteration is given up when the rate
    exceeds 0.9, or when the iterations left cannot reach the accuracy at this rate. `rate` is what the last iteration
    with the same matrix had (one where unknown); it judges the first correction.

    Fixed steps have no tolerance that means anything: then the iteration goes on to rounding, as long as it converges.
    A step that is recomputed was accepted before: it is not given up while it converges at all.

    Where `z` is no state, `norm(values, z)` measures a correction and `state` says how large its numbers can be.
    """
    is_fixed = system.has_fixed_steps
    is_patient = is_fixed or system.scratch is None
    goal, most = 0.0 if is_fixed else accuracy, (4 if is_patient else 1) * iterations
    norm = norm or (lambda values, z: system.norm(values, guess, z))
    dtype = jnp.finfo(guess[0].dtype).dtype
    # Corrections at the level of rounding cannot get smaller.
    eps = 10 * jnp.finfo(dtype).eps
    rounding = norm(tuple(eps * leaf for leaf in state or guess), guess).astype(dtype)
    expected = jnp.clip(rate.astype(dtype), 1e-3, 0.999) ** 0.8

    def going(carry):
        return carry[-1] == 0

    def body(carry):
        z, size, rate, count, products, _ = carry
        step, more = correction(z)
        z = linear_combination(z, None, (1.0,), [step])
        new = norm(step, z).astype(dtype)
        rate = jnp.where(count > 0, new / jnp.maximum(size, jnp.finfo(dtype).tiny), rate)
        seen = jnp.where(count > 0, rate, expected)
        left = seen / (1 - seen) * new
        done = (left <= goal) & (seen < 1) | (new <= rounding)
        remaining = most - 1 - count
        hopeless = (rate >= 0.9) | (rate**remaining / (1 - rate) * new > accuracy)
        if is_patient:
            # The first corrections may grow; small ones that do not shrink are rounding.
            hopeless = (rate >= 2.0) | (rate >= 0.9) & (new <= accuracy)
        hopeless = hopeless & (count > 0) | ~jnp.isfinite(new) | (remaining <= 0)
        failed = jnp.where(new <= accuracy, 1.0, -1.0) if is_fixed else -1.0
        ended = jnp.where(done, 1.0, jnp.where(hopeless, failed, 0.0)).astype(dtype)
        return z, new, rate, count + 1, products + jnp.asarray(more, dtype), ended

    zero = jnp.zeros((), dtype)
    init = (guess, zero, rate.astype(dtype), zero, zero, zero)
    z, _, rate, count, products, ended = while_loop(going, body, init, operands, system.operands())
    return z, Solved((ended > 0).astype(dtype), count, rate, products)
