"""The cycles of restarted GMRES, for several systems at once, without a derivative rule."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Inexact

from ..loops import vary_like, while_loop
from .arnoldi import arnoldi, combine, empty_basis, estimate, norm


class Problem(NamedTuple):
    """Linear systems, lanes in front."""

    operator: Callable
    """`A v`, lane by lane."""
    preconditioner: Callable | None
    """About `A^-1 v`, lane by lane; None for the identity."""
    rhs: Inexact[Array, "lanes n"]
    squares: Float[Array, "lanes n"] | None
    """Weights of the squared entries in the norm."""
    restart: int
    max_iterations: int


class _Carry(NamedTuple):
    x: Any
    residual: Any
    size: Any
    running: Any
    iterations: Any
    products: Any
    total: Any
    basis: Any


def iterate(problem: Problem, x0: Any, rtol: Any, atol: Any) -> tuple:
    """Solve; returns `x`, the iterations, the products, the residual's norm and what it had to reach, lane by lane."""
    rhs = problem.rhs
    lanes, n = rhs.shape
    restart = min(problem.restart, n, problem.max_iterations)
    # The recurrences use the plain sum; a root mean square differs by a constant.
    unit = 1.0 if problem.squares is None else np.sqrt(n)
    bound = norm(rhs, problem.squares)
    target = jnp.maximum(rtol * bound, unit * atol)
    residual = rhs if x0 is None else rhs - problem.operator(x0)
    size = bound if x0 is None else norm(residual, problem.squares)
    start = _Carry(
        jnp.zeros_like(rhs) if x0 is None else x0,
        residual,
        size,
        size > target,
        jnp.zeros(lanes, int),
        jnp.full(lanes, 0 if x0 is None else 1),
        jnp.zeros((), int),
        None,
    )
    # Below this the recurrence may claim a residual that rounding does not allow.
    doubted = target < np.sqrt(jnp.finfo(target.dtype).eps) * size
    first, image = _first(problem, start, target, doubted)

    def cycles(start, first, image, residual, target, doubted):
        last = while_loop(
            lambda carry: (carry.total < problem.max_iterations) & jnp.any(carry.running),
            lambda carry: _cycle(problem, restart, target, doubted, image, carry),
            start._replace(basis=empty_basis(rhs, restart)),
            residual,
            target,
            image,
        )
        return vary_like(last._replace(basis=None), start, first, residual, target)

    # Dimension one is all that most Newton iterations need; then no basis is cleared.
    same = lambda start, first, _, residual, target, __: vary_like(first, start, first, residual, target)
    last = lax.cond(jnp.any(first.running), cycles, same, start, first, image, residual, target, doubted)
    return last.x, last.iterations, last.products, last.size / unit, target / unit


def _first(problem: Problem, start: _Carry, target: Any, doubted: Any) -> tuple[_Carry, Any]:
    """GMRES of dimension one, and the operator's image of the first basis vector: the residual over its norm."""
    residual, running = start.residual, start.running
    direction = residual if problem.preconditioner is None else problem.preconditioner(residual)
    image = problem.operator(direction)
    weighted = jnp.conj(image) if problem.squares is None else problem.squares * jnp.conj(image)
    over, under = jnp.sum(weighted * residual, axis=1), jnp.sum(jnp.real(weighted * image), axis=1)
    usable = running & jnp.isfinite(jnp.abs(over)) & jnp.isfinite(under) & (under > 0)
    step = jnp.where(usable, over / jnp.where(usable, under, 1.0), 0.0)[:, None]
    # Selected, not multiplied: what is not usable may be NaN.
    change, gain = (jnp.where(usable[:, None], step * part, 0.0) for part in (direction, image))
    size = jnp.where(usable, norm(residual - gain, problem.squares), start.size)
    first = start._replace(
        x=start.x + change,
        residual=residual - gain,
        size=size,
        running=running & (doubted | ~(size <= target)),
        iterations=start.iterations + running,
        products=start.products + running,
        total=jnp.ones((), int),
    )
    return first, jnp.where(running, 1.0 / jnp.where(running, start.size, 1.0), 0.0)[:, None] * image


def _cycle(problem: Problem, restart: int, target: Any, doubted: Any, image: Any, carry: _Carry) -> _Carry:
    """A Krylov space, the new iterate, and its residual where the iteration goes on or is not to be trusted."""
    running = carry.running

    def product(vectors, image):
        del image
        return problem.operator(vectors if problem.preconditioner is None else problem.preconditioner(vectors))

    def operator(vectors, step):
        is_known = (carry.total == 0) & (step == 0)
        known = lambda vectors, image: vary_like(image, vectors, image)
        return lax.cond(is_known, known, lambda *args: vary_like(product(*args), args), vectors, image)

    limits = (restart, problem.max_iterations - carry.total)
    cycle = arnoldi(operator, carry.residual, carry.size, target, running, carry.basis, problem.squares, limits)
    change = combine(cycle)
    change = change if problem.preconditioner is None else problem.preconditioner(change)
    x = jnp.where(running[:, None], carry.x + change, carry.x)
    size = jnp.where(running, estimate(cycle), carry.size)
    checked = running & (doubted | ~(size <= target))

    def compute(x, residual, size):
        new = problem.rhs - problem.operator(x)
        return jnp.where(checked[:, None], new, residual), jnp.where(checked, norm(new, problem.squares), size)

    same = lambda *args: vary_like(args[1:], args)
    both = (x, carry.residual, size)
    residual, size = lax.cond(jnp.any(checked), lambda *args: vary_like(compute(*args), args), same, *both)
    # What brought nothing is taken back: a singular operator, stagnation, or numbers that are not finite.
    better = ~checked | (size < carry.size)
    return _Carry(
        jnp.where(better[:, None], x, carry.x),
        residual,
        jnp.where(better, size, carry.size),
        running & better & (size > target),
        carry.iterations + cycle.count,
        carry.products + cycle.count + checked,
        carry.total + cycle.step,
        cycle.basis,
    )
