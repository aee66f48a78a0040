"""What is fixed when an integration is traced: the method, the functions, and the sizes of all buffers."""

import copy
import functools
from math import prod
from typing import Any

import jax
import jax.numpy as jnp

from ...numerics.components import count_scalar_operations
from ...numerics.one_kernel import CHEAP
from .event_change import empty_logs
from .operands import Operands, Settings
from .replay_row import EventOutputs, Outputs


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
        delays: Any = None,
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
        self.has_memory = method.carries_memory
        self.has_events = getattr(system, "events", None) is not None
        self.delays = delays
        """What is fixed about delays (`delays.delays.Delays`), or None."""
        interrupted = has_stops or self.has_events or (delays is not None and delays.jumps)
        self.restarts = method.carries_memory and method.memory_restarts and (interrupted or delays is not None)
        # Over a discontinuity the last evaluation of a step is not the first one of the next.
        self.carries_f0 = method.carries_f0 and not interrupted and not self.has_memory
        self.detects_stiffness = getattr(method, "detect_stiffness", False) and max_steps is not None
        self._traced: dict = {}
        # Traced once and differentiated once for all its uses; XLA inlines the call.
        self.replayed_step = jax.jit(self._step, static_argnames="slopes_once")
        """`(theta, settings, ta, tb, y, memory, restarts) -> (y1, dense, memory)`: one accepted step, recomputed."""

    def traced_once(self, function: Any) -> Any:
        """`function(plan, *arrays)` for this plan, traced once for all its uses; XLA inlines the call."""
        if function not in self._traced:
            self._traced[function] = jax.jit(functools.partial(function, self))
        return self._traced[function]

    @functools.cached_property
    def bare(self) -> "Plan":
        """The same integration without anything to save."""
        plan = copy.copy(self)
        plan.num_save, plan.save_every, plan.dense = 0, None, False
        plan._traced = {}
        return plan

    @functools.cached_property
    def recording(self) -> "Plan":
        """The same integration keeping everything that the delays look up in it."""
        plan = copy.copy(self)
        plan.delays, plan._traced = self.delays.recording(), {}
        return plan

    @functools.cached_property
    def gradient_becomes_cheap(self) -> bool:
        """Whether computing slopes once makes XLA:CPU take the gradient of a single integration for cheap.

        By a fit to what XLA counts for explicit methods: so many operations with every slope computed once (`Tsit5` on
        Lotka-Volterra 880, on Lorenz 1085), about 1.6 times as many with copies. See `numerics.one_kernel`.
        """
        if not self.system.layout.components or self.method.is_implicit:
            return False
        stages, size = self.method.evaluations_per_step, sum(prod(shape) for shape, _ in self.system.layout.shapes)
        field = count_scalar_operations(self.system.vector_field.jaxpr)
        return CHEAP / 1.6 < 230 + stages * (4.5 * size * stages + 6 * field) < CHEAP

    def _step(
        self,
        theta: tuple,
        settings: Settings,
        ta: Any,
        tb: Any,
        y: tuple,
        memory: Any,
        restarts: Any,
        slopes_once: bool = True,
    ) -> tuple:
        system = self.inside(self.bind(theta, settings), ta, tb)
        system.computes_slopes_once = slopes_once
        if self.restarts:
            memory = self.restarted(system, ta, y, memory, restarts)
        step = self.method.step(system, ta, tb, y, memory)
        dense = step.dense
        if self.num_save or self.dense:
            dense = self.method.complete(system, ta, tb, dense)
        return step.y1, dense, step.memory if self.has_memory else None

    def bind(self, theta: tuple, settings: Settings) -> Any:
        """The system with its operands filled in."""
        system = self.system.bind(theta, settings.consts, settings.rtol, settings.atol)
        system.has_fixed_steps = not self.controller_is_adaptive
        if self.has_events:
            system.time_resolution = jnp.max(settings.events.rtol, initial=0.0)
        return system

    def restarted(self, system: Any, ta: Any, y: tuple, memory: Any, restarts: Any) -> Any:
        """The memory for a step from `ta`: a new one where `restarts`, which is after a discontinuity."""
        fresh = self.method.begin(system, ta, y)
        return jax.tree_util.tree_map(lambda new, old: jnp.where(restarts, new, old), fresh, memory)

    def inside(self, system: Any, ta: Any, tb: Any) -> Any:
        """The bound system as a step from `ta` to `tb` should see it."""
        return system.within(ta, tb) if self.has_stops and self.method.evaluates_inside else system

    def work(self, num_steps: Any, counted: Any) -> tuple[Any, Any, Any, Any]:
        """Evaluations of the vector field and the Jacobian, factorisations, Jacobian-vector products of a solve."""
        # A guess of the first step needs f(t0, y0) and one more; the former is also what is handed on.
        before = int(self.carries_f0 or self.needs_guess) + int(self.needs_guess)
        if counted is not None:
            evaluations, jacobians, factorisations, products = (jnp.asarray(n, jnp.int32) for n in counted)
            products = products + self.system.jvps_per_jacobian * jacobians
            return evaluations + before, jacobians, factorisations, products
        repeated = int(self.method.carries_f0 and not self.carries_f0)
        evaluations = before + (self.method.evaluations_per_step + repeated) * num_steps
        jacobians = num_steps if self.method.is_implicit else jnp.zeros_like(num_steps)
        return evaluations, jacobians, jacobians, self.system.jvps_per_jacobian * jacobians

    def dense_shape(self, operands: Operands, settings: Settings, complete: bool) -> Any:
        """Shapes of a step's data for the interpolant, as the step leaves it or completed."""

        def dense():
            system, t0, y0 = self.bind(operands.theta, settings), operands.t0, operands.y0
            step = self.method.step(system, t0, t0, y0, self.method.begin(system, t0, y0) if self.has_memory else None)
            return self.method.complete(system, t0, t0, step.dense) if complete else step.dense

        return jax.eval_shape(dense)

    def empty_saved(self, operands: Operands, settings: Settings, lead: tuple = ()) -> tuple:
        """Buffers of NaN for the save times, shapes (K, *lead, ...)."""
        observed = jax.eval_shape(self._observed, operands, settings)
        return tuple(_nan((self.num_save, *lead), leaf) for leaf in observed) if self.num_save else ()

    def empty_buffers(self, operands: Operands, settings: Settings) -> tuple:
        """Buffers for saved steps (NaN), interpolants and their times."""
        t0 = operands.t0
        stepped, pieces, ends = (), (), ()
        if self.save_every is not None:
            observed = jax.eval_shape(self._observed, operands, settings)
            stepped = tuple(_nan((self.max_steps // self.save_every,), leaf) for leaf in (*observed, t0))
        if self.dense:
            shape = self.dense_shape(operands, settings, complete=True)
            pieces = jax.tree_util.tree_map(lambda leaf: jnp.zeros((self.max_steps, *leaf.shape), leaf.dtype), shape)
            ends = jnp.zeros((self.max_steps, 2), t0.dtype)
        return stepped, pieces, ends

    def _observed(self, operands, settings):
        return self.bind(operands.theta, settings).observe(operands.t0, operands.y0)

    def empty_outputs(self, operands: Operands, settings: Settings) -> Outputs:
        """Outputs of the right shapes, before anything is reached."""
        stepped, pieces, ends = self.empty_buffers(operands, settings)
        events = None
        if self.has_events:
            logs = empty_logs(self, self.bind(operands.theta, settings), operands.t0, operands.y0)
            events = EventOutputs(operands.t0, logs, ends)
        return Outputs(operands.y0, self.empty_saved(operands, settings), stepped, pieces, events)


def _nan(lead: tuple, leaf: Any) -> Any:
    return jnp.full((*lead, *leaf.shape), jnp.nan, leaf.dtype)
