"""What is fixed when an integration is traced: the method, the functions, and the sizes of all buffers."""

from typing import Any

import jax
import jax.numpy as jnp

from .operands import Operands, Settings
from .replay_row import Outputs


class Plan:
    """The static description of one integration, shared by the loop, the record and the replay."""

    def __init__(
        self,
        method: Any,
        system: Any,
        *,
        controller_is_adaptive: bool,
        needs_guess: bool,
        max_steps: int | None,
        num_save: int,
        save_every: int | None,
        dense: bool,
        has_stops: bool,
    ):
        self.method = method
        self.system = system
        self.controller_is_adaptive = controller_is_adaptive
        self.needs_guess = needs_guess
        # None goes only with `save_every=None` and `dense=False`: buffers need a length.
        self.max_steps: Any = max_steps
        self.num_save = num_save
        self.save_every = save_every
        self.dense = dense
        self.has_stops = has_stops
        # Over a discontinuity the last evaluation of a step is not the first one of the next.
        self.carries_f0 = method.carries_f0 and not has_stops
        self.detects_stiffness = getattr(method, "detect_stiffness", False) and max_steps is not None
        # Traced once and differentiated once for all its uses; XLA inlines the call.
        self.replayed_step = jax.jit(self._step)
        """`(theta, consts, ta, tb, y) -> (y1, dense)`: one accepted step, recomputed from its beginning."""

    def _step(self, theta: tuple, consts: tuple, ta: Any, tb: Any, y: tuple) -> tuple:
        step = self.method.step(self.inside(self.system.bind(theta, consts), ta, tb), ta, tb, y, None)
        return step.y1, step.dense

    def inside(self, system: Any, ta: Any, tb: Any) -> Any:
        """The bound system as a step from `ta` to `tb` should see it."""
        return system.within(ta, tb) if self.has_stops else system

    def evaluations(self, num_steps: Any) -> Any:
        """Evaluations of the vector field in a solve of `num_steps` attempts."""
        # A guess of the first step needs f(t0, y0) and one more; the former is also what is handed on.
        before = int(self.carries_f0 or self.needs_guess) + int(self.needs_guess)
        repeated = int(self.method.carries_f0 and not self.carries_f0)
        return before + (self.method.evaluations_per_step + repeated) * num_steps

    def empty_buffers(self, operands: Operands, settings: Settings) -> tuple:
        """Buffers for save times, saved steps, interpolants and their times, filled with NaN."""
        t0, y0 = operands.t0, operands.y0
        observed = jax.eval_shape(lambda: self.system.bind(operands.theta, settings.consts).observe(t0, y0))
        saved = tuple(_nan(self.num_save, leaf) for leaf in observed) if self.num_save else ()
        stepped, pieces, ends = (), (), ()
        if self.save_every is not None:
            stepped = tuple(_nan(self.max_steps // self.save_every, leaf) for leaf in (*observed, t0))
        if self.dense:
            step = jax.eval_shape(
                lambda: self.method.step(self.system.bind(operands.theta, settings.consts), t0, t0, y0, None)
            )
            pieces = jax.tree_util.tree_map(
                lambda leaf: jnp.zeros((self.max_steps, *leaf.shape), leaf.dtype), step.dense
            )
            ends = jnp.zeros((self.max_steps, 2), t0.dtype)
        return saved, stepped, pieces, ends

    def empty_outputs(self, operands: Operands, settings: Settings) -> Outputs:
        """Outputs of the right shapes, before anything is reached."""
        saved, stepped, pieces, _ = self.empty_buffers(operands, settings)
        return Outputs(operands.y0, saved, stepped, pieces)


def _nan(length: int, leaf: Any) -> Any:
    return jnp.full((length, *leaf.shape), jnp.nan, leaf.dtype)
