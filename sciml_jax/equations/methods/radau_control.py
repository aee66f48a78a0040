"""What a Radau IIA step leaves for the next one: where its iteration starts, the error estimate, the next step size.

References
----------
Hairer & Wanner, Solving Ordinary Differential Equations II (1996), IV.8. Gustafsson, Control-theoretic techniques for
stepsize selection in implicit Runge-Kutta methods, ACM TOMS 20 (1994) 496-517.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp

from ...numerics.combine import linear_combination
from .radau_coefficients import ERROR, interpolation_weights
from .radau_kept import Kept
from .radau_stages import MAX_ITERATIONS, STAGES, added, scaled, stage, stage_times

SAFETY = 0.9
"""The step is shorter than the error estimate allows by this."""

MOST, LEAST = 8.0, 0.2
"""Bounds on the change of the step size at once."""

LENIENCE = 20.0
"""The estimate's weight in units of the cube root of the relative tolerance: twice that of Hairer & Wanner, with which
errors reached ten tolerances."""

GAIN = 1.2
"""While the Jacobian stays good the step size is kept, and with it the factors, unless it can grow by this much."""

SLOW = 1e-3
"""A rate of convergence beyond which the next step has a new Jacobian."""


class Attempt(NamedTuple):
    """What the last attempt leaves: a start for the iteration, and what the next step size is predicted from."""

    ta: Any
    """NaN before the first attempt."""
    tb: Any
    stages: tuple
    solved: Any
    """One if these are the stages of a solution."""
    error: Any
    """The error norm."""
    accepted_h: Any
    """Size and error norm of the accepted step before; zero where there is none."""
    accepted_error: Any


class Scratch(NamedTuple):
    """What an attempt hands on."""

    kept: Kept
    last: Attempt
    is_raised: Any
    """One if the algebraic equations do not determine the algebraic variables: then their index is two."""


def start_values(system: Any, ta: Any, tb: Any, y: tuple) -> tuple:
    """The stages on the polynomial of the last attempt: the step before, or this one when it was longer."""
    nothing = tuple(jnp.zeros_like(leaf) for leaf in y) * 3
    if system.scratch is None:
        return nothing
    last = system.scratch.last
    known = last.solved > 0
    at = lambda t: interpolation_weights((t - last.ta) / jnp.where(known, last.tb - last.ta, 1))
    start, stages = at(ta), [stage(last.stages, i) for i in STAGES]
    found = ()
    for t in stage_times(ta, tb):
        weights = [jnp.where(known, b - a, 0) for a, b in zip(start, at(t), strict=True)]
        found += linear_combination(None, None, weights, stages)
    return tuple(jnp.where(known, a, b) for a, b in zip(found, nothing, strict=True))


def estimate(system: Any, ta: Any, h: Any, y: tuple, z: tuple, kept: Kept, weights: tuple) -> tuple[tuple, Any]:
    """The weighted error, and whether it took a second evaluation.

    The estimate of a first or repeated step does not vanish for very stiff components unless it is filtered twice.
    """
    error = _filtered(system, ta, h, y, z, kept, y)
    zero = jnp.zeros_like(h)
    if system.has_fixed_steps:
        return scaled(error, weights), zero
    last = system.scratch.last
    is_special = jnp.isnan(last.ta) | (last.ta == ta)
    repeats = is_special & (system.norm(scaled(error, weights), y, added(y, stage(z, 2))) >= 1)

    def once(system, ta, h, y, z, kept, error):
        del system, ta, h, y, z, kept
        return error

    def twice(system, ta, h, y, z, kept, error):
        return _filtered(system, ta, h, y, z, kept, added(y, error))

    error = system.choose(repeats, twice, once, ta, h, y, z, kept, error)
    return scaled(error, weights), jnp.where(repeats, zero + 1, zero)


def _filtered(system, ta, h, y, z, kept, at):
    """`(r/h M - J)^-1 (f(ta, at) + M sum_i e_i z_i / h)`."""
    coupled = system.mass_product(linear_combination(None, 1.0 / h, ERROR, [stage(z, i) for i in STAGES]))
    return system.with_jacobian(kept.jacobian).solve(kept.real, added(system.vector_field(ta, at), coupled))


def error_weights(system: Any, y: tuple, z: tuple, has_gain: Any) -> tuple:
    """`min(1, 20 tau^(1/3))` for every number; one where the solution has no higher order than the estimate."""
    last = stage(z, 2)
    out = []
    sizes = [jnp.maximum(jnp.maximum(jnp.abs(a), jnp.abs(a + b)), jnp.abs(b)) for a, b in zip(y, last, strict=True)]
    for tolerance, size in zip(system.tolerances(tuple(sizes)), sizes, strict=True):
        # Few digits are enough.
        relative = jnp.maximum(tolerance / jnp.maximum(size, tolerance), jnp.finfo(size.dtype).eps)
        weight = jnp.minimum(1.0, LENIENCE * jnp.exp(jnp.log(relative.astype(jnp.float32)) / 3)).astype(size.dtype)
        out.append(jnp.where(has_gain, weight, 1))
    return tuple(out)


def decided(system: Any, kept: Kept, ends: tuple, z: tuple, solved: Any, error: Any) -> tuple[Scratch, Any]:
    """What is handed on, and the next size over this one."""
    (ta, tb), last = ends, system.scratch.last
    h, one, zero = tb - ta, jnp.ones_like(error), jnp.zeros_like(error)
    converged, is_fresh = solved.converged > 0, kept.t == ta
    # Whether the last attempt was accepted shows in where this one starts.
    went_on = last.tb == ta
    before_h = jnp.where(went_on, last.tb - last.ta, last.accepted_h)
    before_error = jnp.where(went_on, last.error, last.accepted_error)
    count = solved.iterations.astype(h.dtype)
    caution = SAFETY * (2 * MAX_ITERATIONS + 1) / (2 * MAX_ITERATIONS + jnp.maximum(count, 1))
    logarithm = jnp.log(jnp.clip(error, 1e-30, 1e30).astype(jnp.float32)).astype(h.dtype)
    allowed = caution * jnp.exp(-logarithm / 4)
    floor = jnp.log(jnp.clip(before_error, 1e-2, 1e30).astype(jnp.float32)).astype(h.dtype)
    has_before = before_h != 0
    predicted = SAFETY * h / jnp.where(has_before, before_h, one) * jnp.exp(floor / 4 - logarithm / 2)
    accepted = error <= 1
    allowed = jnp.where(accepted & has_before, jnp.minimum(allowed, predicted), allowed)
    # Right after a failure the size does not grow.
    repeats = last.ta == ta
    changed = jnp.clip(allowed, LEAST, jnp.where(accepted, jnp.where(repeats, 1.0, MOST), SAFETY))
    is_slow = (count > 2) & (solved.rate > SLOW)
    stays = accepted & ~is_slow & (changed >= 1) & (changed < GAIN)
    unsolved = jnp.where(is_fresh, 0.5, one)
    factor = jnp.where(converged, jnp.where(stays, one, changed), unsolved)
    renews = jnp.where(converged, is_slow, ~is_fresh)
    kept = kept._replace(
        rate=jnp.where(converged, solved.rate, one).astype(kept.rate.dtype), renews=jnp.where(renews, one, zero)
    )
    attempt = Attempt(ta, tb, z, jnp.where(converged, one, zero), error, before_h, before_error)
    return Scratch(kept, attempt, system.scratch.is_raised), factor
