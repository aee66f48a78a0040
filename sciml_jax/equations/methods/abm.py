"""Adams-Bashforth-Moulton methods of one order."""

from typing import Any, ClassVar

import equinox as eqx
from jax import lax

from ...numerics.combine import linear_combination
from .adams_coefficients import prediction_weights
from .adams_fixed_order import AbstractFixedOrderAdams
from .multistep import differences_at_end, prepare
from .one_step import Step


class ABM(AbstractFixedOrderAdams):
    """Adams' predictor-corrector pair of a chosen order, predicted, evaluated, corrected, evaluated (PECE).

    The explicit method of order k = order - 1 predicts, `p = y + h sum_(j<k) g_j phi*_j`, the implicit one of order
    k + 1 corrects with f(t1, p), `y1 = p + h g_k phi_k`: the solution has order k + 1 = `order` (local extrapolation),
    and `h (g_k - g_(k-1)) phi_k`, the difference to the corrector of order k, estimates the error as h^order. Fixed or
    adaptive steps. The first `order - 2` steps are those of `Heun`, `Bosh3` or `Dopri5`; order 2 is `Heun`.

    Two evaluations a step at every order, and a larger stability region than `AdamsBashforth`. For expensive vector
    fields at moderate tolerances, and where the order must be fixed; `VCABM` finds the order by itself and is the
    better choice for adaptive steps. Not for stiff problems. Under `vmap` the starter is evaluated at every step:
    batches are better off with `Tsit5` or `VCABM`.

    Parameters
    ----------
    order
        2 to 6.

    References
    ----------
    Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I (1993), III.1, III.5 and III.7; Shampine &
    Gordon, Computer Solution of Ordinary Differential Equations (1975), on why to keep the corrector of higher order.
    """

    order: int = eqx.field(static=True, default=4)  # pyright: ignore[reportIncompatibleVariableOverride]
    evaluations_per_step: ClassVar[int] = 2

    @property
    def _orders(self) -> tuple[int, int]:
        return 2, 6

    @property
    def error_order(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The estimate belongs to the corrector of one order less."""
        return self.order

    @property
    def num_differences(self) -> int:
        """As many values of f as the predictor's order."""
        return self.order - 1

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, memory: Any = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: two evaluations, or the starter's."""
        prepared, k = prepare(ta, tb, memory), self.num_differences
        weights = prediction_weights(prepared.h, prepared.past, k + 1)

        def regular():
            predicted = lax.optimization_barrier(linear_combination(y, prepared.h, weights[:k], prepared.scaled))
            missed = differences_at_end(prepared, system.vector_field(tb, predicted), k + 1)[-1]
            y1 = lax.optimization_barrier(linear_combination(predicted, prepared.h, (weights[k],), [missed]))
            error = linear_combination(None, prepared.h, (weights[k] - weights[k - 1],), [missed])
            return y1, error, system.vector_field(tb, y1)

        return self.started(regular, system, ta, tb, y, prepared, memory, self.error_order)
