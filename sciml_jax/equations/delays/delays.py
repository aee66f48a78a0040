"""What is fixed about the delays of an integration when it is traced: `plan.delays`."""

import copy
from typing import Any

import jax
import jax.numpy as jnp

from ..engine.event_change import no_occurrence
from ..engine.forward import Row
from .adapted import Outside, WithPast
from .ahead import look_ahead
from .diagnosis import diagnosed
from .history import POINTS, History, Kept, Marks, Points, put, put_differentiably
from .iterate import attempt_step, first_look
from .past import WINDOW
from .problem import HISTORY_STEPS
from .replay import filled_operands, pull_delayed, push_delayed, replayed_at
from .replay_lanes import pull_lanes, push_lanes
from .settle import look_back, settle
from .unrolled import unrolled_delayed


class Delays:
    """Sizes and kinds: how many lags, which are constant, and how much is kept.

    Parameters
    ----------
    problem
        The delay problem.
    order
        The order of the method: jumps of higher derivatives are passed over.
    max_steps
        The bound on the steps, or None.
    """

    def __init__(self, problem: Any, order: int, max_steps: int | None):
        self.num_lags = len(problem.lags)
        self.is_constant = tuple(not callable(lag) for lag in problem.lags)
        self.neutral = problem.neutral
        self.first_level = 1.0 if problem.starts_on_history else 0.0
        self.last_level = float(order)
        self.jumps = problem.neutral or not problem.starts_on_history
        """Whether the vector field may jump along the solution."""
        self.max_steps: Any = max_steps
        bound = HISTORY_STEPS if max_steps is None else max_steps
        self.ring = min(bound, problem.history_steps) + 1
        self.limit = self.ring
        """Steps further back than this are not looked up, whether they are still kept or not."""
        self.wraps = max_steps is None or self.ring <= max_steps
        self.records = False
        self.put = put_differentiably if max_steps is None else put

    def recording(self) -> "Delays":
        """The same for a solve that keeps every step."""
        self = copy.copy(self)
        self.ring, self.wraps, self.records = self.max_steps + 1, False, True
        return self

    def start(self, plan: Any, operands: Any, settings: Any, state: Any) -> History:
        """The history before the first step."""
        t0 = operands.t0
        ones = lambda tree, n: jax.tree_util.tree_map(lambda leaf: jnp.ones((n, *leaf.shape), leaf.dtype), tree)
        pieces = ones(plan.system.example, self.ring + WINDOW)
        times = jnp.full(POINTS, jnp.inf, t0.dtype).at[0].set(t0)
        levels = jnp.full(POINTS, self.first_level, t0.dtype)
        points = Points(times, jnp.zeros(POINTS, t0.dtype), levels)
        rows = ones(self._example_row(plan, state), self.ring + WINDOW) if self.records else None
        zero, false = jnp.zeros((), jnp.int32), jnp.array(False)
        infinite = jnp.full((), jnp.inf, t0.dtype)
        none = (false,) * self.num_lags
        kept = Kept(pieces, points, rows)
        section = self._first_sections(plan, operands, settings)
        return History(kept, (zero,) * self.num_lags, section, zero + 1, false, infinite, none, zero)

    def _first_sections(self, plan: Any, operands: Any, settings: Any) -> tuple:
        """-1 for lags that reach back before t0 in the first step, 0 for those that vanish there."""
        system = plan.bind(operands.theta, settings)
        t0 = operands.t0
        soon = t0 + jnp.sqrt(jnp.finfo(t0.dtype).eps) * (operands.t1 - t0)
        sections = []
        for constant, lag, later in zip(
            self.is_constant, system.lags(t0, operands.y0), system.lags(soon, operands.y0), strict=True
        ):
            vanishes = lag <= 0 if constant else (t0 - lag >= t0) & (soon - later >= t0)
            sections.append(jnp.where(vanishes, 0, -1).astype(jnp.int32))
        return tuple(sections)

    def _example_row(self, plan: Any, state: Any) -> Row:
        """A recorded step, for shapes."""
        t = state.t
        marks = Marks((t,) * self.num_lags, (t,) * self.num_lags, (t,) * self.num_lags, (t,) * self.num_lags, t, t, t)
        events = no_occurrence(plan, t) if plan.has_events else None
        return Row(t, t, state.y, state.carried if plan.has_memory else None, events, marks)

    look_ahead = staticmethod(look_ahead)
    with_past = staticmethod(first_look)
    step = staticmethod(attempt_step)
    look_back = staticmethod(look_back)
    settle = staticmethod(settle)
    diagnosed = staticmethod(diagnosed)
    push = staticmethod(push_delayed)
    pull = staticmethod(pull_delayed)
    theta = staticmethod(filled_operands)
    replayed = staticmethod(replayed_at)
    push_lanes = staticmethod(push_lanes)
    pull_lanes = staticmethod(pull_lanes)
    unrolled = staticmethod(unrolled_delayed)

    def outside(self, method: WithPast) -> Outside:
        """Interpolation for a dense output that leaves the integration."""
        return Outside(method.method)
