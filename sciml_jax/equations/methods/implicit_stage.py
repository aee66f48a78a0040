"""The implicit equation of a stage, `M (z - base) / scale = f(t, z)`, by simplified Newton iterations.

Diagonally implicit Runge-Kutta methods and BDF solve nothing else. The Jacobian and its factorisation are kept from
step to step in the method's scratch and renewed when the iteration or a change of `scale` asks for it; derivatives come
from the implicit function theorem at the solution (`system.root`) and never see the iterations.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ...numerics.combine import linear_combination
from ...numerics.loops import vary_like
from ..engine.residual import SlopeMatrix
from .one_step import Work
from .simplified_newton import ACCURACY, MAX_ITERATIONS, Solved, simplified_newton

LARGEST_CHANGE = 0.25
"""Relative change of `scale` beyond which the matrix is factorised anew with the old Jacobian."""

LARGEST_AGE = 20.0
"""Steps after which the Jacobian is evaluated anew whatever the convergence."""


class Kept(NamedTuple):
    """The linear algebra that attempts hand on: what `carries_scratch` methods return in `Step.scratch`."""

    jacobian: Any
    factors: Any
    """Of `M / scale - J`."""
    scale: Any
    """The `scale` of the factors."""
    t: Any
    """Where the Jacobian was evaluated; NaN before the first evaluation."""
    age: Any
    """Attempts since then."""
    distrusted: Any
    """One if the last attempt did not converge with a Jacobian that was not its own."""
    rate: Any
    """The rate of convergence that the last iteration with these factors had; one where none is known."""


def empty_scratch(system: Any, t0: Any, y0: tuple) -> Kept:
    """Scratch that asks for a Jacobian; for `begin_scratch`."""

    def example():
        linear = _linearised(system, t0, y0, y0)
        return _worth_keeping(linear), linear.factorise(jnp.ones_like(t0))

    shapes = jax.eval_shape(example)
    jacobian, factors = jax.tree_util.tree_map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    zero = jnp.zeros_like(t0)
    return Kept(jacobian, factors, zero, jnp.full_like(t0, jnp.nan), zero, zero, zero + 1)


def prepare(system: Any, ta: Any, y: tuple, scale: Any, slope: tuple | None = None) -> tuple[Kept, Work]:
    """The factorisation for a step from `(ta, y)` with this `scale`, from the scratch as far as that is still good.

    Fully implicit equations are linearised at a `slope` too.
    """
    scale = lax.stop_gradient(scale)
    one, zero = jnp.ones_like(ta), jnp.zeros_like(ta)
    ta, y, slope = lax.stop_gradient((ta, y, slope))
    if system.scratch is None or system.has_fixed_steps:
        # Fixed steps cannot be repeated with a new Jacobian, so every step has its own.
        return _renewed(system, ta, y, scale, slope), Work(zero, one, one)
    kept = system.scratch
    is_stale = jnp.isnan(kept.t) | (kept.age >= LARGEST_AGE) | (kept.distrusted > 0)
    has_changed = ~(jnp.abs(scale / kept.scale - 1) <= LARGEST_CHANGE)
    renews = is_stale | has_changed

    def keep(system, ta, y, slope, scale, kept, is_stale):
        del system, ta, y, slope, scale, is_stale
        return kept

    def renew(system, ta, y, slope, scale, kept, is_stale):
        jacobian = system.choose(is_stale, _fresh_jacobian, _kept_jacobian, ta, y, slope, kept.jacobian)
        factors = system.with_jacobian(jacobian).factorise(1.0 / scale)
        pick = lambda new, old: jnp.where(is_stale, new, old)
        zero = jnp.zeros_like(kept.age)
        return Kept(
            jacobian, factors, scale, pick(ta, kept.t), pick(zero, kept.age), pick(zero, kept.distrusted), zero + 1
        )

    new = system.choose(renews, renew, keep, ta, y, slope, scale, kept, is_stale)
    work = Work(zero, jnp.where(is_stale, one, zero), jnp.where(renews, one, zero))
    return new, work


def handed_on(kept: Kept, ta: Any, solved: Any) -> Kept:
    """The scratch for the next attempt; a failure with an old Jacobian asks for a new one.

    `solved` is the `Solved` of the attempt's stages, its `converged` and `rate` the worst of them.
    """
    is_trusted = (solved.converged > 0) | is_fresh(kept, ta)
    distrusted = jnp.where(is_trusted, 0.0, 1.0).astype(kept.age.dtype)
    return kept._replace(age=kept.age + 1, distrusted=distrusted, rate=solved.rate.astype(kept.rate.dtype))


def is_fresh(kept: Kept, ta: Any) -> Any:
    """Whether the Jacobian was evaluated at `ta`: if an iteration fails with it, only a smaller step can help."""
    return kept.t == ta


def solve_stage(
    system: Any,
    t: Any,
    base: tuple,
    scale: Any,
    guess: tuple,
    kept: Kept,
    field: str = "vector_field",
    accuracy: float = ACCURACY,
    known: tuple | None = None,
    iterations: int = MAX_ITERATIONS,
) -> tuple[tuple, Solved]:
    """`z` with `M (z - base) / scale = f(t, z) + known`, or `F(t, z, (z - base) / scale) = 0` if fully implicit.

    Parameters
    ----------
    system
        The bound system.
    t, base, scale
        The equation's data; differentiable. `scale` is `gamma h` for a stage, `h / alpha` for BDF.
    guess
        Where the iteration starts.
    kept
        From `prepare`.
    field
        The method of `system` that evaluates f: the implicit part of a split problem has its own.
    accuracy
        Bound on the error left, in units of the tolerance.
    known
        What else is on the right-hand side, a tuple like the state, or None for nothing; differentiable.
    iterations
        Newton iterations before the attempt is given up.

    Returns
    -------
    tuple
        `(z, Solved)`. Cost: one evaluation and one substitution per iteration, usually two to three.

    References
    ----------
    Hairer & Wanner, Solving Ordinary Differential Equations II (1996), IV.8 (stopping); Shampine & Reichelt, The MATLAB
    ODE suite, SIAM J. Sci. Comput. 18 (1997) 1-22; Hindmarsh et al., SUNDIALS, ACM TOMS 31 (2005) 363-396 (the
    correction for a changed scale).
    """
    # The iteration is not differentiated, but its operands are of the rule below.
    still = lax.stop_gradient((guess, kept))

    def residual(system, z, t, base, scale, known, *_):
        moved = tuple(a - b for a, b in zip(z, base, strict=True))
        if system.is_fully_implicit:
            return system.stage_residual(t, z, linear_combination(None, 1.0 / scale, (1.0,), [moved]))
        slope = getattr(system, field)(t, z)
        if known is not None:
            slope = tuple(a + b for a, b in zip(slope, known, strict=True))
        return linear_combination(slope, -1.0 / scale, (1.0,), [system.mass_product(moved)])

    def find(system, t, base, scale, known, guess, kept):
        linear = system.with_jacobian(kept.jacobian)
        correction = 2.0 / (1.0 + scale / kept.scale)

        def iterate(z):
            step, products = linear.solve_counted(kept.factors, residual(system, z, t, base, scale, known))
            return linear_combination(None, correction, (1.0,), [step]), products

        operands = t, base, scale, known, kept
        return simplified_newton(system, iterate, guess, kept.rate, operands, accuracy, iterations=iterations)

    def solver(system, z, t, base, scale, *_):
        if system.is_fully_implicit:
            moved = tuple(a - b for a, b in zip(z, base, strict=True))
            linear = system.linearise(t, z, linear_combination(None, 1.0 / scale, (1.0,), [moved]))
        else:
            linear = system.linearise(t, z) if field == "vector_field" else system.linearise_implicit(t, z)
        # d residual/dz = J - M / scale.
        solve = linear.shifted_solver(1.0 / scale)
        return lambda rhs: tuple(-leaf for leaf in solve(rhs))

    return system.root(find, residual, solver, t, base, scale, known, *still)


def as_arrays(tree: Any) -> Any:
    """Entries known while tracing (NumPy scalars) as arrays, so that a loop can carry them."""
    return jax.tree_util.tree_map(jnp.asarray, tree)


def _renewed(system, ta, y, scale, slope):
    linear = _linearised(system, ta, y, slope)
    zero = jnp.zeros_like(ta)
    kept = Kept(_worth_keeping(linear), linear.factorise(1.0 / scale), scale, ta, zero, zero, zero + 1)
    # Inside shard_map an entry of the Jacobian that is a constant must vary as the scratch of the loop does.
    return vary_like(kept, ta, y, scale)


def _fresh_jacobian(system, ta, y, slope, jacobian):
    del jacobian
    return _worth_keeping(_linearised(system, ta, y, slope))


def _kept_jacobian(system, ta, y, slope, jacobian):
    del system, ta, y, slope
    return jacobian


def _linearised(system, t, y, slope):
    return system.linearise(t, y, slope) if system.is_fully_implicit else system.linearise(t, y)


def _worth_keeping(linear):
    """What `with_jacobian` wants: of a fully implicit equation both derivatives."""
    is_pair = isinstance(linear.mass, SlopeMatrix)
    return as_arrays((linear.jacobian, linear.mass.rows) if is_pair else linear.jacobian)
