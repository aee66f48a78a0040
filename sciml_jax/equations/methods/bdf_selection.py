"""How `BDF` chooses its order and its step size."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from ...numerics.combine import linear_combination
from .bdf_coefficients import ERROR, pick
from .bdf_differences import Differences, chosen

CAUTION = (1.3, 1.4, 1.2)
"""The size is shorter than the estimates allow by these, at the order below, at this one, and at the one above.

Changes of order are welcome: higher orders need fewer steps, and `DECREASE` keeps them from problems that they do not
suit.
"""

DECREASE = 0.3
"""The order rises only if the error estimated above is below this times the one here.

Estimates that do not fall with the order say that the steps are as long as the solution's scale, or that the formula is
hardly stable: with a longer step the higher order would be worse.
"""

STRICTNESS = 1.2
"""The estimate of the local error counts so many times, because errors of many steps add up.

With this and `CAUTION` the global errors on van der Pol's equation, the Oregonator and Robertson's stay below 100
tolerances whatever the rounding.
"""

GAIN = 1.2
"""The step size stays as it is unless it can grow by this much."""

LARGEST_GROWTH = 10.0
"""Growth of the step size at once."""

NEWTON_RETREAT = 0.3
"""Of the step size, when the iteration fails with a new Jacobian."""

PATIENCE = 3
"""Failures in a row after which the differences are thought to mislead, and the order falls to one."""

EQUAL = 1e-3
"""Relative change of the step size that does not count: rounding, and the stretched step that ends on a target."""


class Estimates(NamedTuple):
    """Norms of the local errors relative to the tolerances."""

    below: Any
    """At the order below; without meaning where there is none, and the same above."""
    here: Any
    above: Any


class Attempt(NamedTuple):
    """What else the choice depends on."""

    is_equal: Any
    """Whether the size is that of the last step."""
    converged: Any
    has_fresh_jacobian: Any
    is_fixed: bool
    """Whether the step sizes are given; the order then rises to the highest and stays."""


class Decision(NamedTuple):
    """What comes next."""

    after_success: Differences
    """The memory, but for the table and its size."""
    after_failure: Differences
    factor: Any
    """The next size over this one."""
    weight: Any
    """Of the error estimate; it settles ties, on which the engine and the choice made here must agree."""


def estimates(system: Any, order: Any, old: tuple, new: tuple, y: tuple, y1: tuple) -> Estimates:
    """Norms of the local errors at the orders around this one; the one above holds after steps of equal size."""
    correction = new[-1]
    above = tuple(a - b for a, b in zip(correction, chosen(old, order), strict=True))
    terms = (chosen(new, order - 1), correction, above)

    def size(shift, term):
        return system.norm(linear_combination(None, None, (STRICTNESS * pick(ERROR, order + shift),), [term]), y, y1)

    below, here, above = (size(shift, term).astype(order.dtype) for shift, term in zip((-1, 0, 1), terms, strict=True))
    return Estimates(below, here, above)


def decide(memory: Differences, found: Estimates, largest: int, attempt: Attempt) -> Decision:
    """The order and the size that come next."""
    order, equal, failures = (lax.stop_gradient(v) for v in (memory.order, memory.equal, memory.failures))
    equal = jnp.where(attempt.is_equal, equal, 0.0) + 1
    zero, one = jnp.zeros_like(order), jnp.ones_like(order)
    below, here, above = (
        power(error, order + shift, caution) for error, shift, caution in zip(found, (0, 1, 2), CAUTION, strict=True)
    )
    below = jnp.where(order > 1, below, 0.0)
    accepted = found.here <= 1
    # After success: once the differences above this order are those of equal steps.
    can_change = equal >= order + 1
    above = jnp.where((order < largest) & (found.above <= DECREASE * found.here), above, 0.0)
    best = jnp.maximum(jnp.maximum(below, here), above)
    changes = can_change & (best >= GAIN)
    shift = jnp.where(below == best, -one, jnp.where(above > here, one, zero))
    next_order = jnp.where(changes, order + shift, order)
    grown = jnp.where(changes, jnp.minimum(best, LARGEST_GROWTH), one)
    now = memory._replace(
        order=next_order, equal=jnp.where(next_order == order, equal, zero), is_first=zero, failures=zero
    )
    if attempt.is_fixed:
        now = now._replace(order=jnp.clip(equal, 1, largest), equal=equal)
    # After failure of the error test: as the estimates say once, then by halves; of the iteration: a new Jacobian.
    falls = (below > here) | (failures >= PATIENCE)
    retried = jnp.where(failures >= PATIENCE, one, order - jnp.where(falls, one, zero))
    shrunk = jnp.where(failures > 0, 0.5, 0.9) * jnp.clip(jnp.maximum(here, below), 0.1, 1.0)
    unsolved = jnp.where(attempt.has_fresh_jacobian, NEWTON_RETREAT, one)
    failed = memory._replace(
        order=jnp.where(attempt.converged, jnp.maximum(retried, one), order),
        equal=jnp.where(attempt.converged, zero, memory.equal),
        failures=failures + jnp.where(attempt.converged, one, zero),
    )
    factor = jnp.where(attempt.converged, jnp.where(accepted, grown, shrunk), unsolved)
    # The engine and this method must agree on acceptance, to the last digit.
    sure = jnp.where(accepted, jnp.minimum(found.here, 0.999), jnp.maximum(found.here, 1.001))
    softened = jnp.where(found.here > 0, sure / found.here, one)
    return Decision(now, failed, factor, STRICTNESS * softened.astype(order.dtype))


def power(error: Any, exponent: Any, caution: float) -> Any:
    """The change of the step size that an error of this norm allows."""
    few = jnp.log(jnp.clip(error, 1e-30, 1e30).astype(jnp.float32)) / exponent.astype(jnp.float32)
    return (jnp.exp(-few) / caution).astype(error.dtype)
