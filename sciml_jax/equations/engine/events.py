"""The functions of a solve's events on the engine's tuples, and what is known of them when tracing."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...core.tree import describe
from ...numerics.components import count_scalar_operations
from .layout import Layout
from .returned import check_observed
from .traced import TracedFunction

MAX_AFFECT_OPERATIONS = 100
"""Scalar operations of an affect up to which it is written out for a state that is held as components."""


class EventSettings(NamedTuple):
    """The numbers of the events, none of which is differentiated."""

    times: tuple
    """For every trigger its preset times, shape (K,), or None."""
    rtol: Any
    """Relative resolution of the times, shape (crossings,)."""


class _Conditions(eqx.Module):
    """All conditions (or limits) as one function."""

    functions: tuple

    def __call__(self, t: Any, y: Any, args: Any) -> tuple:
        return tuple(jnp.asarray(function(t, y, args)) for function in self.functions)


class EventFunctions:
    """The conditions, affects and observers of all triggers, traced once; part of a `System`.

    Parameters
    ----------
    triggers
        The events of the solve, in the order of its list.
    problem
        The problem.
    t0
        An example of a time.
    components
        Whether the engine holds the state as components.
    """

    def __init__(self, triggers: tuple, problem: Any, t0: Any, components: bool):
        y0, args = problem.y0, problem.args
        leaves = jax.tree_util.tree_leaves(y0)
        dtypes = tuple(leaf.dtype for leaf in leaves)
        self.number = len(triggers)
        self.searched = tuple(i for i, x in enumerate(triggers) if x.condition is not None and not x.at_steps)
        """The triggers whose condition is searched for inside steps."""
        self.at_steps = tuple(i for i, x in enumerate(triggers) if x.at_steps)
        """Those whose condition is looked at after every step."""
        self.preset = tuple(i for i, x in enumerate(triggers) if x.times is not None)
        """Those that happen at given times."""
        self.terminal = np.array([x.terminal for x in triggers])
        self.begins_arc = np.array([x.affect is not None or i in self.searched for i, x in enumerate(triggers)])
        """Whether the integration begins anew behind each: where the state may jump, or a sign has just changed."""
        self.lengths = tuple(x.max_triggers for x in triggers)
        """Lengths of the logs; None for a trigger without one."""
        lay = lambda traced, types: traced.with_layout(components, leaves, types)
        self.conditions = lay(_traced_conditions(triggers, self.searched, t0, y0, args), None)
        self.is_boolean = np.array([shape.dtype == bool for shape in self.conditions.out_shape], bool)
        direction = np.array([triggers[i].direction for i in self.searched], int)
        # A Boolean event is one that becomes true, unless it is asked for where it becomes false.
        self.direction = np.where(self.is_boolean & (direction == 0), 1, direction)
        self.step_conditions = lay(_traced_conditions(triggers, self.at_steps, t0, y0, args), None)
        traced = [None if x.affect is None else _traced_affect(x.affect, t0, y0, args) for x in triggers]
        self.layout = Layout(y0, components)
        # Written out, a long affect such as a projection would take long to compile.
        self.is_long = [f is not None and count_scalar_operations(f.jaxpr) > MAX_AFFECT_OPERATIONS for f in traced]
        self.affects = tuple(
            f and f.with_layout(components and not is_long, leaves, dtypes)
            for f, is_long in zip(traced, self.is_long, strict=True)
        )
        self.observers, self.observed_trees = [], []
        for trigger in triggers:
            observe = trigger.observe
            traced = None if observe is None else TracedFunction(observe, t0, y0, args)
            if traced is not None:
                check_observed(traced.out_shape)
            self.observers.append(None if traced is None else traced.with_layout(False, leaves, None))
            self.observed_trees.append(jax.tree_util.tree_structure(y0 if traced is None else traced.out_shape))
        limits = tuple(x.limit for x in triggers if x.limit is not None)
        self.has_limits = bool(limits)
        self.limits = lay(TracedFunction(_Conditions(limits), t0, y0, args), None)
        domains = tuple(x.outside for x in triggers if x.outside is not None)
        self.outsides = tuple(lay(TracedFunction(outside, t0, y0, args), dtypes) for outside in domains)
        self.times_dtype = jnp.asarray(t0).dtype

    def functions(self) -> tuple:
        """Every traced function, in a fixed order."""
        return (self.conditions, self.step_conditions, self.limits, *self.affects, *self.observers, *self.outsides)


def _traced_conditions(triggers, chosen, t0, y0, args) -> TracedFunction:
    traced = TracedFunction(_Conditions(tuple(triggers[i].condition for i in chosen)), t0, y0, args)
    for shape in traced.out_shape:
        if shape.shape != () or not (shape.dtype == bool or jnp.issubdtype(shape.dtype, jnp.floating)):
            msg = (
                "`condition(t, y, args)` must return a real or Boolean scalar; got "
                f"{describe(shape)}. Return one number whose sign changes at the event, for example `y[0]`."
            )
            raise ValueError(msg)
    return traced


def _traced_affect(affect, t0, y0, args) -> TracedFunction:
    traced = TracedFunction(affect, t0, y0, args)
    out = traced.out_shape
    same = jax.tree_util.tree_structure(out) == jax.tree_util.tree_structure(y0)
    pairs = list(zip(jax.tree_util.tree_leaves(out), jax.tree_util.tree_leaves(y0), strict=False))
    if not same or any(a.shape != b.shape for a, b in pairs):
        msg = (
            "`affect(t, y, args)` must return the state with its structure and shapes, or `(y, args)`; got "
            f"{describe(out)} for a state of {describe(y0)}. Return the whole state, changed where it changes."
        )
        raise ValueError(msg)
    for a, b in pairs:
        if jnp.promote_types(a.dtype, b.dtype) != b.dtype:
            msg = (
                f"`affect(t, y, args)` must return the dtype of the state, {b.dtype}; got {a.dtype}. "
                f"Convert the result with `.astype({b.dtype})`."
            )
            raise TypeError(msg)
    return traced


class BoundEvents:
    """The functions of the events with their operands filled in: `system.events`."""

    def __init__(self, functions: EventFunctions, parts: list):
        self.known = functions
        self._conditions, self._step_conditions, self._limits, *rest = parts
        self._affects, rest = rest[: functions.number], rest[functions.number :]
        self._observers, self._outsides = rest[: functions.number], rest[functions.number :]

    def conditions(self, t: Any, y: tuple) -> Any:
        """The searched conditions at `(t, y)`, shape (crossings,); 1 for True and -1 for False."""
        return self._vector(self.known.conditions(*self._conditions, t, y))

    def step_conditions(self, t: Any, y: tuple) -> Any:
        """Which of the conditions that are looked at after every step hold at `(t, y)`, shape (number of them,)."""
        return self._vector(self.known.step_conditions(*self._step_conditions, t, y)) > 0

    def limited(self, t: Any, y: tuple, h: Any) -> Any:
        """The size of a step from `(t, y)`, no larger than its limits allow; a limit that is not positive is none."""
        for limit in self.known.limits(*self._limits, t, y):
            h = jnp.where(limit > 0, jnp.minimum(h, limit), h)
        return h

    def outside(self, t: Any, y: tuple) -> list:
        """By how much every entry of the state lies outside of each of the domains."""
        pairs = zip(self.known.outsides, self._outsides, strict=True)
        return [function(*operands, t, y) for function, operands in pairs]

    def _vector(self, values: tuple) -> Any:
        dtype = self.known.times_dtype
        as_number = lambda v: jnp.where(v, 1, -1).astype(dtype) if v.dtype == bool else v.astype(dtype)
        return jnp.stack([as_number(jnp.asarray(v)) for v in values]) if values else jnp.zeros(0, dtype)

    def affect(self, i: int, t: Any, y: tuple) -> tuple:
        """The state after trigger `i`."""
        function: Any = self.known.affects[i]
        if function is None:
            return y
        layout = self.known.layout
        if not (layout.components and self.known.is_long[i]):
            return function(*self._affects[i], t, y)
        out = function(*self._affects[i], t, tuple(jax.tree_util.tree_leaves(layout.merge(y))))
        return layout.split(jax.tree_util.tree_unflatten(layout.treedef, out))

    def observe(self, i: int, t: Any, y: tuple, layout: Any) -> tuple:
        """What the log of trigger `i` keeps, as whole leaves."""
        leaves = tuple(jax.tree_util.tree_leaves(layout.merge(y)))
        function = self.known.observers[i]
        return leaves if function is None else function(*self._observers[i], t, leaves)
