"""Gillespie's direct method."""

from typing import Any

import jax.numpy as jnp

from ...core.status import Status
from ...numerics.one_kernel import computed_once
from .abstract import AbstractJumpMethod
from .loop import RUNNING, Attempt, Operands, Place, Plan
from .random_words import exponential_and_uniform, next_word


class Gillespie(AbstractJumpMethod):
    """Simulate every jump: the waiting time is exponential with the total rate, the reaction drawn by its share.

    Exact in distribution. A step costs all R rates, two random words, one logarithm and one division; nothing is kept
    between steps. Right for networks of up to some hundred reactions, and in batches: 10,000 paths of a two-state
    network take about 3.6 ns per event and core (`benchmarks/jumps.py`).

    Where the rates depend on time, candidates are drawn with `JumpProblem(..., rate_bound=...)` and thinned: a
    candidate counts with probability total / bound. `stats.num_rejected` are those that did not.

    Not for large counts with fast reactions, where every event is a step: `sj.TauLeaping`. Not for thousands of
    reactions that change few rates each: `sj.GroupedDirect`.

    References
    ----------
    Gillespie, A general method for numerically simulating the stochastic time evolution of coupled chemical reactions,
    Journal of Computational Physics 22 (1976). Lewis & Shedler, Simulation of nonhomogeneous Poisson processes by
    thinning, Naval Research Logistics Quarterly 26 (1979).
    """

    def thins(self, plan: Plan) -> bool:
        """See `AbstractJumpMethod`."""
        return plan.network.depends_on_time

    def advance(self, plan: Plan, operands: Operands, target: Any, place: Place) -> Attempt:
        """See `AbstractJumpMethod`."""
        network = plan.network
        first, words = computed_once(next_word(place.words))
        second, words = computed_once(next_word(words))
        waiting, uniform = computed_once(exponential_and_uniform(first, second, network.dtype))
        thins = self.thins(plan)
        bound: Any = None
        if thins:
            bound = network.bound(operands.functions, place.t, place.y) if network.has_bound else operands.bound
            t, lost = later(place, waiting / bound)
        rates = network.rates(operands.functions, t if thins else place.t, place.y)
        sums, lowest = cumulative(network, rates)
        total = sums[-1]
        if not thins:
            bound = total
            t, lost = later(place, waiting / bound)
        valid = (lowest >= 0) & (bound < jnp.inf)
        if thins:  # rounding may put a sharp bound below the sum of the rates
            valid = valid & (total <= bound * (1 + 100 * jnp.finfo(network.dtype).eps))
        t, lost, moves = computed_once((t, lost, (t <= target) & valid))
        threshold = uniform * bound
        passed = computed_once([threshold >= s for s in sums[:-1]]) if network.components else threshold >= sums[:-1]
        y_if = lambda fires: network.fire(operands.functions, t, place.y, passed, fires, place.words)
        status = judged(lowest, bound, (t <= target) & ~valid)
        return Attempt(t, lost, words, moves, status, fires=threshold < total if thins else None, y_if=y_if)


def later(place: Place, waiting: Any) -> tuple[Any, Any]:
    """The time after a waiting time; in single precision with what the sum loses (Kahan), lest short waits vanish."""
    if place.lost is None:
        return place.t + waiting, None
    waiting = waiting - place.lost
    t = place.t + waiting
    # A wait for ever must not leave NaN behind.
    return t, jnp.where(jnp.isfinite(t), (t - place.t) - waiting, 0)


def cumulative(network: Any, rates: tuple) -> tuple[Any, Any]:
    """Sums of the first rates, the last being the total, and the lowest rate."""
    if not network.components:
        return jnp.cumsum(rates[0]), jnp.min(rates[0])
    sums, lowest = [rates[0]], rates[0]
    for rate in rates[1:]:
        sums.append(sums[-1] + rate)
        lowest = jnp.minimum(lowest, rate)
    return sums, lowest


def judged(lowest: Any, total: Any, invalid: Any) -> Any:
    """`RUNNING`, or what is wrong with the rates."""
    status = jnp.where((lowest < 0) | invalid, jnp.int32(Status.BAD_RATE), jnp.int32(RUNNING))
    return jnp.where(jnp.isfinite(total) & jnp.isfinite(lowest), status, jnp.int32(Status.NON_FINITE))
