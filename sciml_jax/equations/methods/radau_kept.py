"""The linear algebra of Radau IIA steps that is kept: a Jacobian, and its factors for a real and a complex shift."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from .implicit_stage import as_arrays
from .one_step import Work
from .radau_coefficients import COMPLEX_SHIFT, REAL_SHIFT

EQUAL = 0.011
"""Relative change of the step size that the factors survive: a step stretched to end on a target."""


class Kept(NamedTuple):
    """The linear algebra that attempts hand on."""

    jacobian: Any
    real: Any
    """Factors of `r/h M - J`."""
    complex: Any
    """Factors of `(a + ib)/h M - J`."""
    h: Any
    """The signed step size of the factors."""
    t: Any
    """Where the Jacobian was evaluated; NaN before the first evaluation."""
    rate: Any
    """The rate of convergence of the last iteration; one where none is known."""
    renews: Any
    """One if the next step is to have a new Jacobian."""


def _shifts(h: Any, y: tuple) -> tuple[Any, Any]:
    """The real and the complex shift, in the precision of the state."""
    inverse = (1.0 / h).astype(jnp.finfo(jnp.result_type(*y)).dtype)
    return REAL_SHIFT * inverse, lax.complex(COMPLEX_SHIFT.real * inverse, COMPLEX_SHIFT.imag * inverse)


def _factorised(linear: Any, h: Any, y: tuple) -> tuple[Any, Any]:
    real, pair = _shifts(h, y)
    return linear.factorise(real), linear.factorise(pair)


def renewed(system: Any, ta: Any, y: tuple, h: Any) -> Kept:
    """With a new Jacobian, for a step of size `h` from `(ta, y)`."""
    linear = system.linearise(ta, y)
    zero = jnp.zeros_like(ta)
    return Kept(as_arrays(linear.jacobian), *_factorised(linear, h, y), h, ta, zero + 1, zero)


def prepare(system: Any, ta: Any, y: tuple, h: Any) -> tuple[Kept, Work]:
    """Jacobian and factors for a step of size `h` from `(ta, y)`, from the scratch as far as that is still good."""
    one, zero = jnp.ones_like(ta), jnp.zeros_like(ta)
    if system.scratch is None or system.has_fixed_steps:
        return renewed(system, ta, y, h), Work(zero, one, 2 * one)
    kept = system.scratch.kept
    is_stale = jnp.isnan(kept.t) | (kept.renews > 0) & (kept.t != ta)
    changes = is_stale | ~(jnp.abs(h / kept.h - 1) <= EQUAL)

    def keep(system, ta, y, h, kept, is_stale):
        del system, ta, y, h, is_stale
        return kept

    def renew(system, ta, y, h, kept, is_stale):
        jacobian = system.choose(is_stale, _fresh_jacobian, _kept_jacobian, ta, y, kept.jacobian)
        factors = _factorised(system.with_jacobian(jacobian), h, y)
        return Kept(jacobian, *factors, h, jnp.where(is_stale, ta, kept.t), kept.rate, jnp.zeros_like(kept.renews))

    new = system.choose(changes, renew, keep, ta, y, h, kept, is_stale)
    return new, Work(zero, jnp.where(is_stale, one, zero), jnp.where(changes, 2 * one, zero))


def _fresh_jacobian(system: Any, ta: Any, y: tuple, jacobian: Any) -> Any:
    del jacobian
    return as_arrays(system.linearise(ta, y).jacobian)


def _kept_jacobian(system: Any, ta: Any, y: tuple, jacobian: Any) -> Any:
    del system, ta, y
    return jacobian
