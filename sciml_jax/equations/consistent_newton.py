"""A root of nonlinear equations near a guess, differentiable without a rule of its own."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from ..numerics.linear_solve import factorised_solver
from ..numerics.loops import while_loop

MAX_ITERATIONS = 50
"""Trial steps of the damped iteration, accepted or not."""

SMALLEST_DAMPING = 1e-4
"""Part of a Newton correction below which the iteration is given up."""


def root_near(
    residual: Callable[[Float[Array, " n"]], Float[Array, " n"]], guess: Float[Array, " n"], size: Any
) -> tuple[Float[Array, " n"], Bool[Array, ""]]:
    """`x` with `residual(x) = 0` from a guess, and whether the iteration converged; the guess itself if it broke down.

    Newton's method, a correction being halved until the next one is smaller (the affine-invariant monotonicity test).
    Two more Newton steps, which are differentiated, bring the root to rounding: frozen at the root, a step has the
    derivative of the implicit function theorem, and two of them have its second and third derivatives too. The guess
    chooses among several roots and has no derivative; `size` is a typical number of the problem, beside which a root
    may be zero. Cost per iteration: one dense Jacobian, one factorisation, two solves.

    References
    ----------
    Deuflhard, Newton Methods for Nonlinear Problems (2011), 3.3.
    """
    found, converged = lax.stop_gradient(_iterate(residual, *lax.stop_gradient((guess, size))))
    root = found
    for _ in range(2):
        root = root - _newton(residual, root)(residual(root))
    healthy = converged & jnp.all(jnp.isfinite(root))
    return jnp.where(healthy, root, lax.stop_gradient(guess)), healthy


def _iterate(residual, guess, typical):
    typical = jnp.maximum(jnp.max(jnp.abs(guess)), typical)
    eps = jnp.finfo(guess.dtype).eps

    def body(carry):
        x, damping, count, _, _ = carry
        solve = _newton(residual, x)
        step = -solve(residual(x))
        # Weights of both norms; a variable at zero is measured by its correction.
        scale = jnp.abs(x) + jnp.abs(step) + eps * typical + jnp.finfo(x.dtype).tiny
        size = lambda d: jnp.sqrt(jnp.mean((d / scale) ** 2))
        trial = x + damping * step
        following = size(solve(residual(trial)))
        arrived = jnp.all(jnp.abs(step) <= jnp.sqrt(eps) * (jnp.abs(x) + eps**0.25 * typical))
        better = following <= (1 - damping / 2) * size(step)
        accepted = better | arrived
        x = jnp.where(accepted, trial, x)
        damping = jnp.where(accepted, jnp.minimum(1.0, 2 * damping), damping / 2)
        ended = arrived | (damping < SMALLEST_DAMPING) | (count + 1 >= MAX_ITERATIONS)
        return x, damping, count + 1, arrived, ended

    start = jnp.zeros((), guess.dtype)
    init = (guess, start + 1, start, jnp.array(False), jnp.array(False))
    x, _, _, arrived, _ = while_loop(lambda carry: ~carry[-1], body, init, residual(guess), typical)
    return x, arrived


def largest(tree: Any) -> Any:
    """The largest size of a number in a pytree of floats."""
    return jnp.max(jnp.stack([jnp.max(jnp.abs(leaf), initial=0.0) for leaf in jax.tree_util.tree_leaves(tree)]))


def _newton(residual, x):
    """`solve(r)` with the Jacobian at x, rows scaled."""
    matrix = jax.jacfwd(residual)(x)
    sizes = lax.stop_gradient(jnp.max(jnp.abs(matrix), axis=1))
    scale = 1 / jnp.where(sizes > 0, sizes, 1.0)
    solve = factorised_solver(scale[:, None] * matrix)
    return lambda r: solve(scale * r)
