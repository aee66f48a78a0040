"""What Adams methods of one order share: a Runge-Kutta start, the order as a parameter, the step's result."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax

from .bosh3 import Bosh3
from .dopri5 import Dopri5
from .heun import Heun
from .multistep import AbstractMultistepMethod, History, Prepared, advanced, dense_output
from .one_step import Step

STARTERS = {1: Heun(), 2: Heun(), 3: Bosh3(), 4: Dopri5(), 5: Dopri5(), 6: Dopri5()}
"""A one-step method with an error estimate for each order; for order 6 one less is enough, over so few steps."""


class AbstractFixedOrderAdams(AbstractMultistepMethod):
    """An Adams method of one order; the first steps, while the history is too short, are Runge-Kutta steps.

    Those steps keep the order with fixed steps too, where a start at order one would spoil it. They cost the starter's
    evaluations, which `evaluations_per_step` leaves out. Under `vmap` lanes start at different times, so both kinds of
    step are evaluated throughout: a batch pays the starter's evaluations at every step.
    """

    def __check_init__(self):
        low, high = self._orders
        if not isinstance(self.order, int) or not low <= self.order <= high:
            name = type(self).__name__
            msg = (
                f"`order` of `{name}` must be an integer from {low} to {high}; got {self.order!r}. "
                f"For higher orders take `sj.VCABM()`."
            )
            raise ValueError(msg)

    @property
    def _orders(self) -> tuple[int, int]:
        """The lowest and the highest order."""
        return 1, max(STARTERS)

    def started(
        self,
        regular: Callable,
        system: Any,
        ta: Any,
        tb: Any,
        y: tuple,
        prepared: Prepared,
        history: History,
        exponent: int,
    ) -> Step:
        """The step by `regular() -> (y1, error, f1)`, or by the starter while the history is too short for it."""
        starter, needed = STARTERS[self.order], self.num_differences - 1
        if needed == 0:
            (y1, error, f1), error_order = regular(), jnp.full_like(prepared.h, exponent)
        else:

            def start():
                step = starter.step(system, ta, tb, y, history.differences[0])
                return step.y1, step.error, step.f1

            ready = prepared.taken >= needed
            y1, error, f1 = lax.cond(ready, regular, start)
            error_order = jnp.where(ready, exponent, starter.error_order).astype(prepared.h.dtype)
        degree = jnp.minimum(prepared.taken + 1, self.num_differences)
        dense = dense_output(prepared, y, y1, f1, degree)
        return Step(y1, error, f1, dense, memory=advanced(prepared, history, f1), error_order=error_order)
