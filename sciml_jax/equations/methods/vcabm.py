"""Adams methods of variable order on variable steps."""

import math
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from ...numerics.combine import linear_combination
from .adams_coefficients import prediction_weights
from .multistep import AbstractMultistepMethod, History, Prepared, advanced, dense_output, prepare, sum_of
from .one_step import Step

CAUTION = 1.125
"""The next step is shorter by this factor than the controller would make it.

At high orders the estimate lags behind a solution that gets rougher. On Pleiades, Lorenz and Lotka-Volterra this halves
the failures, for the same work and a smaller error.
"""

RETREAT = 1.5
"""The same after a failure. Shampine & Gordon halve the step."""

LARGEST_GROWTH = 3.0
"""Growth per step at low order."""

ALMOST_ONE = 0.999
"""The largest norm reported for a step that is acceptable, so that rounding cannot make anybody think otherwise."""

LARGEST_MAGNIFICATION = 1e3
"""How far growing steps may magnify noise in the history.

At order k, steps that grow by a factor r magnify rounding errors and derivatives of local errors by up to
`r^(k (k - 1)/2)`, because the old values of f lie ever closer together in proportion. Unbounded, the estimates at high
orders are noise, and the course of the integration depends on the last bit.
"""

CONTROLLER_SAFETY = 0.9
"""The controller's default safety factor, which the constants above are relative to."""

PATIENCE = 3
"""Failures in a row after which the history is thought to mislead."""


class Estimates(NamedTuple):
    """Norms of the local errors relative to the tolerances, at orders around the current one."""

    here: Any
    below: Any
    """At the order below; infinite where there is none."""
    two_below: Any
    """At the order two below; zero where there is none."""
    above: Any
    """At the order above; infinite where the history is too short."""


class VCABM(AbstractMultistepMethod):
    """Adams-Bashforth-Moulton of variable order and step, predicted, evaluated, corrected and evaluated (PECE).

    At order k the predictor integrates the polynomial through the last k values of f, `p = y + h sum_(j<k) g_j phi*_j`,
    and the corrector the one that also meets `f(t1, p)`: `y1 = p + h g_k phi_k`. The difference to the corrector of one
    degree less, `h (g_k - g_(k-1)) phi_k`, estimates the local error at order k, and what is kept is the better one
    (local extrapolation). The order rises after every step at the start; later it falls or rises by one when the
    estimates at the orders around it say so. Nothing has to be told about the order, tolerances of 1e-3 to 1e-13 suit.

    For vector fields that are expensive, smooth problems and tight tolerances: two evaluations a step whatever the
    order, half of those of `Dopri8` and two thirds of LSODA's at rtol 1e-10. A step itself costs more arithmetic than a
    Runge-Kutta step: where the vector field is a few operations, `Tsit5`, `Vern7` or `Vern9` are faster. Not for stiff
    problems, nor for frequent discontinuities (each restarts at order one), nor where low memory matters: gradients
    record `max_order + 1` states for every step. Errors are some tens of tolerances on stable trajectories; on those
    that magnify errors, about ten times those of `Tsit5` at the same tolerance (Pleiades: 1,000 tolerances; LSODA
    3,000).

    Steps vary as the controller says, but grow by at most a factor that falls from 3 at order 4 to 1.1 at order 12.
    With `sj.FixedStep()` the order varies alone: no power of the step size describes the error. The dense output is
    continuous with its slope and follows the order.

    Parameters
    ----------
    max_order
        Highest order of the predictor, 1 to 12; the solution gains one by extrapolation. Less saves memory, arithmetic
        and compile time.

    References
    ----------
    Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I (1993), III.5-III.7. Shampine & Gordon, Computer
    Solution of Ordinary Differential Equations (1975).
    """

    max_order: int = eqx.field(static=True, default=12)

    error_order: ClassVar[int | None] = 2
    evaluations_per_step: ClassVar[int] = 2

    def __check_init__(self):
        if not isinstance(self.max_order, int) or not 1 <= self.max_order <= 12:
            msg = (
                f"`max_order` of `VCABM` must be an integer from 1 to 12; got {self.max_order!r}. "
                "Leave it out, or take 5 to 8 to save memory."
            )
            raise ValueError(msg)

    @property
    def order(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The highest order of the predictor."""
        return self.max_order

    @property
    def num_differences(self) -> int:
        """One for each order."""
        return self.max_order

    def begin(self, system: Any, t0: Any, y0: tuple) -> History:
        """A history that starts at order one; costs one evaluation.

        When t0 moves, the solution through `(t0, y0)` moves as if y0 did by `-f dt0` with t0 fixed, and that is how it
        is differentiated. Differentiating the first step, which is of low order, in its own size would leave an error
        in the history that the growing steps after it magnify until it is seen in the end.
        """
        history = super().begin(system, t0, y0)
        # The same evaluation with another derivative: XLA makes it once.
        slope = system.vector_field(lax.stop_gradient(t0), _as_if_moved(y0, history.differences[0], t0))
        one = jnp.ones_like(t0)
        return history._replace(
            differences=(slope, *history.differences[1:]), order=one, starting=one, failures=jnp.zeros_like(t0)
        )

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, memory: Any = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: two evaluations."""
        is_first = memory.count == 0
        y = tuple(
            jnp.where(is_first, moved, leaf)
            for moved, leaf in zip(_as_if_moved(y, memory.differences[0], ta), y, strict=True)
        )
        late = jnp.where(is_first, ta - lax.stop_gradient(ta), 0)
        prepared = prepare(ta - late, tb, memory)
        h, scaled, order = prepared.h, prepared.scaled, lax.stop_gradient(memory.order)
        weights = prediction_weights(h, prepared.past, self.max_order + 1)
        used = [jnp.where(order > j, weight, 0) for j, weight in enumerate(weights[: self.max_order])]
        predicted = lax.optimization_barrier(linear_combination(y, h, used, scaled))
        slope = system.vector_field(tb, predicted)
        correction = _minus(slope, sum_of(scaled, order))
        y1 = linear_combination(predicted, h, (_pick(weights, order),), [correction])
        y1 = lax.optimization_barrier(y1)
        f1 = system.vector_field(tb, y1)
        # Choices have no derivative.
        frozen = lax.stop_gradient((h, prepared, weights, slope, correction, y, y1, f1))
        error, found = self._estimates(system, order, *frozen)
        now, failed, factor, error_order = self._decide(memory, found)
        return Step(
            y1,
            linear_combination(None, factor, (1.0,), [error]),
            f1,
            dense_output(prepared, y, y1, f1, order, late),
            memory=now._replace(**_kept(advanced(prepared, memory, f1))),
            error_order=error_order,
            retry=failed,
        )

    def _estimates(self, system, order, h, prepared: Prepared, weights, slope, correction, y, y1, f1):
        """The estimate of the local error at this order, and the norms of those at the orders around it."""
        steps = [0.0, *(b - a for a, b in zip(weights[:-1], weights[1:], strict=True))]
        scaled, known = prepared.scaled, lax.stop_gradient(prepared.taken)

        def size(shift, slope):
            rest = _minus(slope, sum_of(scaled, order + shift))
            return system.norm(linear_combination(None, h, (_pick(steps, order + shift),), [rest]), y, y1)

        error = linear_combination(None, h, (_pick(steps, order),), [correction])
        can_rise = (order < self.max_order) & (known >= order)
        return error, Estimates(
            here=system.norm(error, y, y1),
            below=jnp.where(order > 1, size(-1, slope), jnp.inf),
            two_below=jnp.where(order > 2, size(-2, slope), 0.0),
            above=jnp.where(can_rise, size(1, f1), jnp.inf),
        )

    def _decide(self, memory: History, found: Estimates):
        """The history's order after success and after failure, a factor for the error, and its exponent."""
        order, starting, failures = (lax.stop_gradient(v) for v in (memory.order, memory.starting, memory.failures))
        here, below = found.here, jnp.maximum(found.below, found.two_below)
        # At order two only one estimate speaks for less, so it has to be clear; the same for more at order one.
        lower = jnp.where(order > 2, below <= here, (order > 1) & (below <= 0.5 * here))
        starts = (starting > 0) & ~lower & (order < self.max_order)
        better = jnp.where(order > 1, (found.above < here) & (below > here), found.above < 0.5 * here)
        rises = ~starts & ~lower & better
        chosen = order - jnp.where(lower, 1.0, 0.0) + jnp.where(starts | rises, 1.0, 0.0)
        chosen = chosen.astype(order.dtype)
        # The controller sees the estimate at the order that comes next, never across the line of acceptance.
        expected = jnp.where(lower, found.below, jnp.where(rises, found.above, here)).astype(order.dtype)
        accepted = here <= 1
        magnified = 2 * math.log(LARGEST_MAGNIFICATION) / jnp.maximum(chosen * (chosen - 1), 1)
        growth = jnp.minimum(math.log(LARGEST_GROWTH), magnified) - math.log(CONTROLLER_SAFETY)
        reported = jnp.clip(expected * CAUTION ** (chosen + 1), jnp.exp(-(chosen + 1) * growth), ALMOST_ONE)
        tiny = jnp.finfo(order.dtype).tiny
        softened = reported / jnp.maximum(here, tiny).astype(order.dtype)
        factor = jnp.where(accepted, softened, RETREAT ** (order + 1))
        off = jnp.zeros_like(order)
        now = memory._replace(order=chosen, starting=jnp.where(starts, starting, off), failures=off)
        retried = jnp.where(failures + 1 >= PATIENCE, 1.0, order - jnp.where(lower, 1.0, 0.0)).astype(order.dtype)
        failed = memory._replace(order=retried, starting=off, failures=failures + 1)
        return now, failed, factor, jnp.where(accepted, chosen, order) + 1


@jax.custom_jvp
def _as_if_moved(y: tuple, slope: tuple, t: Any) -> tuple:
    """`y` itself, with the derivative of following the solution back when `t` moves on."""
    del slope, t
    return y


@_as_if_moved.defjvp
def _as_if_moved_jvp(primals, tangents):
    y, slope, _ = primals
    dy, _, dt = tangents
    return y, linear_combination(dy, -dt, (1.0,), [slope])


def _minus(a: tuple, b: tuple) -> tuple:
    return tuple(x - y for x, y in zip(a, b, strict=True))


def _pick(values: list, index: Any) -> Any:
    """`values[index]` for a traced float index, without a gather; zero beyond the ends."""
    return sum(jnp.where(index == j, value, 0) for j, value in enumerate(values))


def _kept(history: History) -> dict:
    """What every Adams method hands on; the order is decided apart."""
    return {"past": history.past, "differences": history.differences, "count": history.count}
