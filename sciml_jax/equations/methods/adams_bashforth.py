"""Explicit Adams methods."""

from typing import Any, ClassVar

import equinox as eqx
from jax import lax

from ...numerics.combine import linear_combination
from .adams_coefficients import prediction_weights
from .adams_fixed_order import AbstractFixedOrderAdams
from .multistep import differences_at_end, prepare
from .one_step import Step


class AdamsBashforth(AbstractFixedOrderAdams):
    """The explicit Adams method of a chosen order, `y1 = y + h sum_(j<order) g_j phi*_j`; fixed or adaptive steps.

    One evaluation a step. The value of f at the end of the step, which the next one needs anyway, gives the error
    estimate: that of the method of one order less, `h g_(order-1) phi_(order-1)`, which behaves as h^order. Order 1 is
    Euler's method with an estimate of its own error. The first `order - 1` steps are those of `Heun`, `Bosh3` or
    `Dopri5`.

    For expensive vector fields that ask for many steps anyway: fixed steps, rough accuracy, splitting schemes. The
    stability region shrinks with the order (from `h |lambda|` of 2 at order 1 to 0.3 at order 4 on the negative axis),
    so not where stability limits the step; `ABM` allows longer steps and `VCABM` chooses the order. Under `vmap` the
    starter is evaluated at every step: batches are better off with `Tsit5` or `VCABM`.

    Parameters
    ----------
    order
        1 to 6.

    References
    ----------
    Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I (1993), III.1 and III.5.
    """

    order: int = eqx.field(static=True, default=3)  # pyright: ignore[reportIncompatibleVariableOverride]
    evaluations_per_step: ClassVar[int] = 1

    @property
    def error_order(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The estimate belongs to the method of one order less; to the method itself at order 1."""
        return max(self.order, 2)

    @property
    def num_differences(self) -> int:
        """As many values of f as the order."""
        return self.order

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, memory: Any = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: one evaluation, or the starter's."""
        prepared, lower = prepare(ta, tb, memory), self.error_order - 1
        weights = prediction_weights(prepared.h, prepared.past, self.order + 1)

        def regular():
            y1 = lax.optimization_barrier(linear_combination(y, prepared.h, weights[: self.order], prepared.scaled))
            f1 = system.vector_field(tb, y1)
            missed = differences_at_end(prepared, f1, lower + 1)[-1]
            return y1, linear_combination(None, prepared.h, (weights[lower],), [missed]), f1

        return self.started(regular, system, ta, tb, y, prepared, memory, self.error_order)
