"""The direct method for large networks: rates kept, reactions found by groups."""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from ...core.status import Status
from ...numerics.one_kernel import computed_once
from .abstract import AbstractJumpMethod
from .gillespie import later
from .loop import RUNNING, Attempt, Operands, Place, Plan
from .random_words import exponential_and_uniform, next_word


class Kept(NamedTuple):
    """What is kept between events."""

    rates: Any
    """All rates in groups of equal size, shape (G, W), padded with zeros."""
    sums: Any
    """Their sums, shape (G,)."""


class GroupedDirect(AbstractJumpMethod):
    """Simulate every jump like `sj.Gillespie`, with a cost that grows as the root of the number of reactions R.

    Rates are kept, and after a reaction only those are evaluated again that depend on what it changed (Gibson & Bruck's
    dependency graph, from `JumpProblem(..., dependencies=)` or read off the program of `rates`). They are summed in
    about `sqrt(R)` groups; a reaction is found by its group first (Maksym's two-level search). Exact in distribution,
    but for the same key not the path of `sj.Gillespie`.

    Measured on particles hopping on a ring (`benchmarks/jumps.py`), it overtakes `sj.Gillespie` at about a hundred
    reactions, and is five to eight times as fast at a thousand. It pays only where the rates are written on arrays
    (indexing, elementwise operations, products with a matrix; `sj.MassAction` is), because single rates of others are
    not found, and where reactions change few rates each. The rates must not depend on time. On the CPU the lanes of a
    batch run one after the other.

    References
    ----------
    Gibson & Bruck, Efficient exact stochastic simulation of chemical systems with many species and many channels,
    Journal of Physical Chemistry A 104 (2000). Maksym, Fast Monte Carlo simulation of MBE growth, Semiconductor Science
    and Technology 3 (1988).
    """

    takes_affect: ClassVar = False
    holds_components: ClassVar = False
    takes_time: ClassVar = False
    needs_dependents: ClassVar = True
    lane_by_lane: ClassVar = True

    def begin(self, plan: Plan, operands: Operands) -> Kept:
        """See `AbstractJumpMethod`."""
        network = plan.network
        width, number = _width(network.num_reactions)
        rates = _marked(network.rates(operands.functions, operands.t0, operands.y0)[0])
        padded = jnp.pad(rates, (0, width * number - rates.shape[0])).reshape(number, width)
        return Kept(padded, jnp.sum(padded, axis=1))

    def advance(self, plan: Plan, operands: Operands, target: Any, place: Place) -> Attempt:
        """See `AbstractJumpMethod`."""
        network, kept = plan.network, place.method
        width = kept.rates.shape[1]
        first, words = next_word(place.words)
        second, words = next_word(words)
        waiting, uniform = computed_once(exponential_and_uniform(first, second, network.dtype))
        sums = jnp.cumsum(kept.sums)
        total = sums[-1]
        valid = (jnp.min(kept.sums) >= 0) & (total < jnp.inf)
        t, lost = later(place, waiting / total)
        group, rest = _find(sums, kept.sums, uniform * total)
        inside = lax.dynamic_index_in_dim(kept.rates, group, keepdims=False)
        within, _ = _find(jnp.cumsum(inside), inside, rest)
        reaction = jnp.minimum(group * width + within, network.num_reactions - 1)
        status = jnp.where(jnp.isnan(total) | (total == jnp.inf), Status.NON_FINITE, Status.BAD_RATE)
        return Attempt(
            t,
            lost,
            words,
            (t <= target) & valid,
            jnp.where(valid, RUNNING, status).astype(jnp.int32),
            y_if=lambda fires: network.fire_row(place.y, reaction, fires),
            method_if=lambda y, fires: self._renewed(network, operands, t, y, kept, reaction, fires),
        )

    def _renewed(self, network, operands, t, y, kept, reaction, fires):
        """The rates that depend on what changed, and the sums of their groups."""
        width = kept.rates.shape[1]
        rows = jnp.asarray(network.dependents)[reaction]
        new = _marked(network.rates_of(operands.functions, t, y, rows))
        rates = kept.rates
        for i in range(rows.shape[0]):
            # Repeated entries of a short row are written again with the same value.
            at = (rows[i] // width, rows[i] % width)
            value = jnp.where(fires, new[i], rates[at])
            rates = lax.dynamic_update_slice(rates, value.reshape(1, 1), at)
        groups = jnp.asarray(network.groups_of_dependents(width))[reaction]
        sums = kept.sums
        for i in range(groups.shape[0]):
            row = lax.dynamic_index_in_dim(rates, groups[i], keepdims=False)
            sums = lax.dynamic_update_index_in_dim(sums, jnp.sum(row), groups[i], 0)
        return Kept(rates, sums)


def _marked(rates: Any) -> Any:
    """Rates, negative ones as minus infinity, which no sum hides."""
    return jnp.where(rates < 0, -jnp.inf, rates)


def _find(sums: Any, parts: Any, threshold: Any) -> tuple[Any, Any]:
    """The first part beyond the threshold, or the last that is not zero, and what is left of the threshold."""
    beyond = sums > threshold
    last = parts.shape[0] - 1 - jnp.argmax((parts > 0)[::-1])
    index = jnp.where(beyond[-1], jnp.argmax(beyond), last).astype(jnp.int32)
    return index, threshold - (sums[index] - parts[index])


def _width(number: int) -> tuple[int, int]:
    """Reactions in a group, a power of two near the root of their number, and the number of groups."""
    width = 1 << max(round(np.log2(max(number, 1)) / 2), 2)
    return width, -(-number // width)
