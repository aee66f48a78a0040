"""The adjoint behind `adjoint=None`."""

from typing import Any

import jax

from .abstract import AbstractAdjoint
from .checkpointed import Checkpointed
from .replay import Replay

LARGEST_RECORD = 256 * 2**20
"""Bytes of a record (`max_steps` states) up to which derivatives keep all of it."""


def default_adjoint(y0: Any, max_steps: int | None, has_delays: bool = False) -> AbstractAdjoint:
    """`Replay`, or `Checkpointed` where a record of `max_steps` states would be too large or has no bound.

    Both return the same derivatives; the second recomputes the steps once more. Continuous adjoints are never chosen
    by themselves: their derivatives are not those of the numbers returned.

    Parameters
    ----------
    y0
        The state, a pytree of arrays; under `vmap` that of one lane.
    max_steps
        The bound on the steps, or None.
    has_delays
        Whether steps look up earlier ones: only `Replay` keeps what they look up.
    """
    state = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree_util.tree_leaves(y0))
    if has_delays:
        return Replay()
    if max_steps is None or max_steps * state > LARGEST_RECORD:
        return Checkpointed()
    return Replay()
