"""The discrete derivative with memory that grows like the square root of the number of steps."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from .abstract import AbstractAdjoint
from .derivative_rule import with_checkpoints
from .plans import changed

UNBOUNDED_CHECKPOINTS = 512
"""Checkpoints with `max_steps=None`; its square is the number of steps that a derivative can then have."""


class Checkpointed(AbstractAdjoint):
    """Differentiate the discrete solution with few states in memory: the numbers of `Replay`, to rounding.

    The forward pass keeps the times of all accepted steps and the state at every k-th of them; the reverse pass
    recomputes the states of one segment of k steps at a time, on the recorded times. With C checkpoints for at most N
    steps, k = ceil(N / C).

    Memory: `C + k` states and `2 N` numbers, where `Replay` keeps N states. Cost: one more solve for the checkpoints
    and one, without rejected steps and error estimates, for the recomputation. Everything that `Replay` supports is
    supported; second derivatives need N states all the same.

    With `max_steps=None` a differentiated solve is bounded after all: by `C^2` attempted steps, 262,144 by default,
    after which it ends with `Status.MAX_STEPS`. The undifferentiated solve stays unbounded.

    Parameters
    ----------
    num_checkpoints
        C, a positive integer. None takes `ceil(sqrt(max_steps))`, which needs the fewest states.

    Raises
    ------
    ValueError, TypeError
        If `num_checkpoints` is not a positive integer.

    Notes
    -----
    With multistep methods the order after a rejected attempt is not kept, so a recomputed step may use another one: the
    derivatives are then those of `Replay` to within the tolerances.

    Not needed for small states: up to 256 MiB of record `adjoint=None` takes `Replay`, beyond that this.

    References
    ----------
    Griewank & Walther, Evaluating Derivatives (2008), chapter 12 (checkpointing in two levels).
    """

    differentiates_steps: ClassVar[bool] = True

    num_checkpoints: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        count = self.num_checkpoints
        if count is None:
            return
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)):
            msg = (
                "`num_checkpoints` must be a positive integer or None; got "
                f"{count!r} ({type(count).__name__}). Pass, for example, `num_checkpoints=64`."
            )
            raise TypeError(msg)
        if count < 1:
            msg = f"`num_checkpoints` must be at least 1; got {count}. Pass, for example, `num_checkpoints=64`."
            raise ValueError(msg)

    def integration(self, plan: Any) -> Callable[[Any, Any], tuple[Any, tuple]]:
        """See `AbstractAdjoint`."""
        count = UNBOUNDED_CHECKPOINTS if self.num_checkpoints is None else int(self.num_checkpoints)
        bounded = plan
        if plan.max_steps is None:
            bounded = changed(plan, max_steps=count**2)
        elif self.num_checkpoints is None:
            count = math.isqrt(plan.max_steps - 1) + 1
        return with_checkpoints(plan, bounded, stride=-(-bounded.max_steps // count))
