"""Methods as a delay equation needs them: every step comes with its complete dense output."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .past import Piece


class WithPast:
    """A one-step method whose steps carry a `Piece` as their dense output; everything else is the method's own."""

    carries_scratch: Any
    counts_work = True

    def __init__(self, method: Any, carries_f0: bool):
        self.method = method
        self.carries_f0 = method.carries_f0 and carries_f0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.method, name)

    def __hash__(self) -> int:
        return hash((self.method, self.carries_f0))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WithPast) and (self.method, self.carries_f0) == (other.method, other.carries_f0)

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: Any = None) -> Any:
        """A step of the method with its dense output completed."""
        step = self.method.step(system, ta, tb, y, f0)
        return step._replace(dense=Piece(ta, tb, self.method.complete(system, ta, tb, step.dense)))

    def complete(self, system: Any, ta: Any, tb: Any, dense: Piece) -> Piece:
        """Nothing is left to do."""
        del system, ta, tb
        return dense

    def interpolate(self, dense: Piece, fraction: Any) -> tuple:
        """The method's interpolant."""
        return self.method.interpolate(dense.dense, fraction)


class Outside:
    """Interpolation for a dense output whose pieces know when they begin and end, and how those times move."""

    def __init__(self, method: Any):
        self.method = method

    def __hash__(self) -> int:
        return hash((Outside, self.method))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outside) and self.method == other.method

    def interpolate(self, dense: Piece, fraction: Any) -> tuple:
        """The state at a fraction of the step as it is, which derivatives move."""
        start, end = lax.stop_gradient((dense.ta, dense.tb))
        width = jnp.where(dense.tb == dense.ta, 1.0, dense.tb - dense.ta)
        moved = (start + fraction * (end - start) - dense.ta) / width
        value = lax.stop_gradient(fraction)
        return self.method.interpolate(dense.dense, value + (moved - lax.stop_gradient(moved)))


jax.tree_util.register_static(Outside)
