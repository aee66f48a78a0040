"""Explicit tau-leaping."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .abstract import AbstractJumpMethod
from .gillespie import judged
from .loop import Attempt, Operands, Place, Plan
from .poisson import poisson
from .random_words import exponential_and_uniform, next_word

FEWEST = 10.0
"""A leap must be worth this many events, else one event is simulated."""


class TauLeaping(AbstractJumpMethod):
    """Fire every reaction a Poisson number of times at once, while the rates hardly change.

    The leap is as long as the expected change and the standard deviation of the change of every rate stay below
    `epsilon` of that rate (equations 33 of Cao, Gillespie & Petzold). Their factor `g` for every species is found as
    the largest elasticity `|d log rate / d log y|`, which for mass action is theirs. A leap is at most `4 epsilon` of
    the time in which a species relaxes by itself, which keeps the variance at rest within some `epsilon`. Reactions
    that could use up a species within `critical` firings fire one at a time; where a leap would be worth fewer than ten
    events, one event is simulated instead; a leap that would make a count negative is repeated with half its length. So
    counts stay non-negative, and small systems are simulated nearly exactly.

    Approximate: the error of means and variances falls in proportion to `epsilon`. Steps end on save times, so that a
    path depends on them. A step costs the rates and their Jacobian (R x n) and R Poisson numbers: in a batch some
    microseconds, so it pays where leaps are worth hundreds of events. Time-dependent rates are held for a leap, which
    `epsilon` does not control: pass a `tau` short enough for them.

    Parameters
    ----------
    epsilon
        Relative change of a rate that a leap may cause.
    tau
        A fixed length of the leaps instead (the last one before a save time is shorter); first order in `tau`.
    critical
        Number of firings.

    References
    ----------
    Cao, Gillespie & Petzold, Efficient step size selection for the tau-leaping simulation method, Journal of Chemical
    Physics 124 (2006).
    """

    epsilon: float = eqx.field(static=True, default=0.03)
    tau: float | None = eqx.field(static=True, default=None)
    critical: int = eqx.field(static=True, default=10)

    is_exact: ClassVar = False
    takes_affect: ClassVar = False
    holds_components: ClassVar = False
    needs_slopes: ClassVar = True

    def __check_init__(self):
        _check_number(self.epsilon, "epsilon", 0.0, 1.0)
        if self.tau is not None:
            _check_number(self.tau, "tau", 0.0, float("inf"))
        _check_number(self.critical, "critical", -1.0, float("inf"))

    def thins(self, plan: Plan) -> bool:
        """See `AbstractJumpMethod`; what passes is a leap that is repeated."""
        del plan
        return True

    def begin(self, plan: Plan, operands: Operands) -> Any:
        """By how much the next leap is shortened."""
        del plan
        return jnp.ones_like(operands.t0)

    def advance(self, plan: Plan, operands: Operands, target: Any, place: Place) -> Attempt:
        """See `AbstractJumpMethod`."""
        network, t, y = plan.network, place.t, place.y
        (rates,) = network.rates(operands.functions, t, y)
        total, lowest = jnp.sum(rates), jnp.min(rates)
        first, words = next_word(place.words)
        second, words = next_word(words)
        waiting, uniform = exponential_and_uniform(first, second, network.dtype)
        remaining = target - t
        if self.tau is None:
            slopes = network.slopes(operands.functions, t, y)
            counts = jnp.concatenate([leaf.ravel().astype(network.dtype) for leaf in y])
            critical = is_critical(network.changes, counts, rates, self.critical)
            leap = self._longest(network, counts, rates, slopes, critical)
            by_events = leap * total < FEWEST
            # One event at a time is the same as calling every reaction critical.
            singles = critical | by_events
            leap = jnp.where(by_events, jnp.inf, leap * place.method)
        else:
            singles, leap = jnp.zeros(rates.shape, bool), self.tau * place.method
        alone = jnp.where(singles, rates, 0.0)
        until_single = waiting / jnp.sum(alone)
        length = jnp.minimum(leap, until_single)
        lands = ~(length < remaining)
        length = jnp.where(lands, remaining, length)
        firings = poisson(words, jnp.where(singles, 0.0, rates * length))
        sums = jnp.cumsum(alone)
        chosen = jnp.sum(uniform * sums[-1] >= sums[:-1], dtype=jnp.int32)
        one = (jnp.arange(rates.shape[0]) == chosen) & (until_single <= length) & ~lands
        new = self._fired(network, y, firings + one)
        went_below = jnp.array(False)
        for old, leaf in zip(y, new, strict=True):
            went_below = went_below | jnp.any((leaf < 0) & (old >= 0))
        valid = (lowest >= 0) & jnp.isfinite(total)
        choose = lambda a, b: jax.tree_util.tree_map(lambda x, z: jnp.where(went_below, x, z), a, b)
        return Attempt(
            t=choose(t, jnp.where(lands, target, t + length)),
            lost=place.lost,
            words=words,
            moves=(t < target) & valid,
            status=judged(lowest, total, (t < target) & ~valid),
            fires=~went_below,
            y=choose(y, new),
            method=choose(place.method / 2, jnp.ones_like(place.method)),
        )

    def _longest(self, network, counts, rates, slopes, critical):
        """The longest leap over which the rates of reactions that are not critical hardly change."""
        live = rates[:, None] > 0
        elasticity = jnp.where(live, jnp.abs(slopes) * counts / jnp.where(live, rates[:, None], 1.0), 0.0)
        order = jnp.max(elasticity, axis=0)
        is_reactant = jnp.asarray(network.dependence.any(axis=0))
        usual = jnp.where(critical, 0.0, rates)
        changes = jnp.asarray(network.changes, network.dtype)
        drift = jnp.abs(jnp.sum(usual[:, None] * changes, axis=0))
        spread = jnp.sum(usual[:, None] * changes**2, axis=0)
        allowed = jnp.maximum(self.epsilon * counts / jnp.where(order > 0, order, 1.0), 1.0)
        # At rest there is no drift, and explicit leaps overestimate fluctuations by half the leap per relaxation time.
        relaxation = jnp.abs(jnp.sum(jnp.where(critical[:, None], 0.0, slopes) * changes, axis=0))
        limits = jnp.minimum(jnp.minimum(allowed / drift, allowed**2 / spread), 4 * self.epsilon / relaxation)
        return jnp.min(jnp.where(is_reactant & (spread > 0), limits, jnp.inf))

    def _fired(self, network, y, firings):
        new = []
        for leaf, row in zip(y, network.rows(), strict=True):
            times = firings.astype(leaf.dtype).reshape(-1, *(1 for _ in leaf.shape))
            new.append(leaf + jnp.sum(times * row, axis=0, dtype=leaf.dtype))
        return tuple(new)


def is_critical(changes: Any, counts: Any, rates: Any, threshold: int) -> Any:
    """Which reactions can use up something within `threshold` firings."""
    used = jnp.asarray(-changes, counts.dtype)
    left = jnp.where((used > 0) & (counts >= 0), jnp.floor(counts / jnp.where(used > 0, used, 1.0)), jnp.inf)
    return (rates > 0) & (jnp.min(left, axis=1) < threshold)


def _check_number(value: Any, name: str, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low < value < high:
        msg = (
            f"`{name}` must be a number between {low:g} and {high:g}, known when tracing; got {value!r}. Pass a float."
        )
        raise ValueError(msg)
