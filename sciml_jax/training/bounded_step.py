"""The damped Gauss-Newton step within bounds."""

from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float

from ..numerics.loops import while_loop


class Reduced(NamedTuple):
    """What a step needs of the residuals `r` (M,) and their Jacobian `J` (M, P)."""

    triangle: Float[Array, "rows params"]
    """R of `J = Q R`."""
    projected: Float[Array, " rows"]
    """`Q' r`."""
    gradient: Float[Array, " params"]
    """`J' r`."""


def reduce_system(residuals: Array, jacobian: Array) -> Reduced:
    """QR of `[J r]`: all steps at this point then work on P by P matrices, without squaring the condition of J."""
    rows = jnp.linalg.qr(jnp.concatenate([jacobian, residuals[:, None]], axis=1), mode="r")
    return Reduced(rows[:, :-1], rows[:, -1], jacobian.T @ residuals)


def held_by_bounds(u: Array, gradient: Array, lower: Array, upper: Array) -> Bool[Array, " params"]:
    """Parameters at a bound that would leave the feasible set: the minimiser holds them."""
    return ((u <= lower) & (gradient >= 0)) | ((u >= upper) & (gradient <= 0)) | (lower >= upper)


def bounded_step(reduced: Reduced, u: Array, damping: Array, scale: Array, lower: Array, upper: Array) -> Array:
    """`argmin_p |J p + r|^2 + damping |D p|^2` with `lower <= u + p <= upper`, approximately.

    The unconstrained minimiser over the free parameters; the one that it takes over a bound first is put there and
    held, and the others are found again, P times at most.
    """
    count = u.shape[0]
    damped = jnp.sqrt(damping) * scale
    low, high = lower - u, upper - u

    def solve(held, values):
        # Held columns leave the matrix; what they contribute goes to the right-hand side.
        right = -(reduced.projected + reduced.triangle @ jnp.where(held, values, 0))
        matrix = jnp.concatenate([jnp.where(held, 0, reduced.triangle), jnp.diag(jnp.where(held, 1, damped))])
        q, r = jnp.linalg.qr(matrix)
        step = solve_triangular(r, q[: right.shape[0]].T @ right)
        return jnp.where(held, values, step)

    def again(carry):
        held, values, _, tries = carry
        step = solve(held, values)
        over = ~held & ((step < low) | (step > high))
        # Along the way from here; holding all at once could leave no way down.
        fraction = jnp.where(over, jnp.where(step < low, low, high) / jnp.where(step == 0, 1, step), jnp.inf)
        first = over & (fraction <= jnp.min(fraction))
        return held | first, jnp.where(first, jnp.clip(step, low, high), step), jnp.any(over), tries + 1

    held = held_by_bounds(u, reduced.gradient, lower, upper)
    start = (held, jnp.zeros_like(u), jnp.array(True), jnp.int32(0))
    going = lambda carry: carry[2] & (carry[3] <= count)
    return while_loop(going, again, start, reduced, u, damped, low, high)[1]


def decrease_of_model(reduced: Reduced, step: Array) -> Array:
    """`(|r|^2 - |r + J p|^2) / 2`."""
    image = reduced.triangle @ step
    return -(jnp.dot(image, reduced.projected) + 0.5 * jnp.dot(image, image))
