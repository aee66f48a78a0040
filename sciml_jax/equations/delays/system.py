"""A delay equation as the engine sees it: the system of its vector field, with slots for what lookups read."""

from math import prod
from typing import Any

import jax
import jax.numpy as jnp

from ..engine.bound_system import BoundSystem
from ..engine.layout import Layout
from ..engine.system import System
from ..engine.traced import TracedFunction
from ..problem import ODEProblem
from .field import DelayField, Known, Lags
from .past import WINDOW, Context, Piece, Rows, Window


class DelaySystem(System):
    """A `System` whose vector field holds a `Context`; `theta` is without its slots, which `bind` fills."""

    def __init__(
        self,
        problem: Any,
        saved_function: Any,
        t0: Any,
        method: Any,
        components: bool,
        piece: Piece,
        triggers: tuple = (),
    ):
        self.example = piece
        self._lags: Any = None
        self._lags_source: Any = (Lags(problem.lags), t0, problem.y0, problem.args)
        layout = Layout(problem.y0, components)
        known = Known(problem, method, layout)
        self._context = len(problem.lags), jnp.asarray(t0).dtype, layout, piece
        context = empty_context(*self._context)
        field = DelayField(context, problem.vector_field, problem.history, Lags(problem.lags), known)
        ordinary = ODEProblem(field, problem.y0, problem.t0, problem.t1, problem.args)
        super().__init__(ordinary, saved_function, t0, method, None if components else False, triggers)
        self.num_lags = len(problem.lags)
        self.is_constant = tuple(not callable(lag) for lag in problem.lags)
        self._context_tree = jax.tree_util.tree_structure(context)
        self._trim(self._context_tree.num_leaves)

    def _functions(self) -> tuple:
        if self._lags is None:
            lags, t0, y0, args = self._lags_source
            traced = TracedFunction(lags, t0, y0, args)
            self._lags = traced.with_layout(self.layout.components, jax.tree_util.tree_leaves(y0), None)
            self._lags_source = ()
        return (*super()._functions(), self._lags)

    def _trim(self, number: int) -> None:
        """Take the slots of the context, which has `number` leaves, out of the operands."""
        is_slot, raw_is_slot = [], []
        for function in self._functions():
            if function is None:
                continue
            before = function.num_captured
            size = number if function in (self.vector_field, self.derivatives) else 0
            for flags, leaves in ((is_slot, function.theta), (raw_is_slot, function.raw_theta)):
                start = before[0] if flags is is_slot else before[1]
                flags += [start <= i < start + size for i in range(len(leaves))]
        self._is_slot = tuple(is_slot)
        keep = lambda leaves, flags: tuple(leaf for leaf, slot in zip(leaves, flags, strict=True) if not slot)
        self.theta, self.raw_theta = keep(self.theta, is_slot), keep(self.raw_theta, raw_is_slot)
        self.theta_groups = keep(self.theta_groups, raw_is_slot)
        self.theta_shapes = keep(self.theta_shapes, raw_is_slot)

    def filled(self, theta: tuple, context: Context) -> tuple:
        """All operands of the functions, those of the context in their slots; as they are if they are all there."""
        if len(theta) == len(self._is_slot):
            return theta
        leaves = jax.tree_util.tree_leaves(context)
        rest, index, out = iter(theta), 0, []
        for slot in self._is_slot:
            out.append(leaves[index % len(leaves)] if slot else next(rest))
            index += slot
        return tuple(out)

    def taken_out(self, filled: tuple) -> tuple[tuple, Context]:
        """Cotangents of all operands apart: of the operands themselves, and of the context."""
        theta = tuple(leaf for leaf, slot in zip(filled, self._is_slot, strict=True) if not slot)
        slots = [leaf for leaf, slot in zip(filled, self._is_slot, strict=True) if slot]
        number = self._context_tree.num_leaves
        total = slots[:number]
        for start in range(number, len(slots), number):
            total = [a + b for a, b in zip(total, slots[start : start + number], strict=True)]
        return theta, jax.tree_util.tree_unflatten(self._context_tree, total)

    def bind(self, theta: tuple, consts: tuple, rtol: Any = None, atol: Any = None) -> "DelayBoundSystem":
        """Fill in the operands; before `with_past`, every lookup goes to the history function."""
        return DelayBoundSystem(self, theta, consts, rtol, atol)

    def empty_context(self) -> Context:
        """The context in which every lag reaches back before the beginning."""
        return empty_context(*self._context)


class DelayBoundSystem(BoundSystem):
    """A bound system whose lookups read a context."""

    def __init__(self, system: Any, theta: tuple, consts: tuple, rtol: Any, atol: Any, context: Context | None = None):
        filled = system.filled(theta, system.empty_context() if context is None else context)
        super().__init__(system, filled, consts, rtol, atol)
        self._own_theta = theta
        self.context = context
        """What lookups read."""

    def with_past(self, context: Context) -> "DelayBoundSystem":
        """The system with lookups that read `context`."""
        _, consts, rtol, atol = self._operands
        system = DelayBoundSystem(self._system, self._own_theta, consts, rtol, atol, context)
        for name, value in self.__dict__.items():
            if name not in ("_operands", "_parts", "_own_theta", "context"):
                setattr(system, name, value)
        return system

    def lags(self, t: Any, y: tuple) -> tuple:
        """All lags at `(t, y)`."""
        return self._system._lags(*self._parts[-1], t, y)


def dense_shapes(system: Any, method: Any, t0: Any, y0: Any) -> Piece:
    """The shapes of a `Piece` of this method on this system."""

    def piece():
        y = system.layout.split(y0)
        ones = tuple(jnp.ones((), leaf.real.dtype) for leaf in y)
        bound = system.bind(system.theta, system.consts, ones, ones)
        memory = method.begin(bound, t0, y) if method.carries_memory else None
        step = method.step(bound, t0, t0, y, memory)
        return Piece(t0, t0, method.complete(bound, t0, t0, step.dense))

    return jax.eval_shape(piece)


def as_rows(piece: Piece, layout: Any) -> Piece:
    """A piece whose leaves have `WINDOW` rows in front, as a window holds it."""
    if not layout.components:
        return piece
    return jax.tree_util.tree_map(lambda leaf: Rows(leaf[i] for i in range(WINDOW)), piece)


def empty_context(num_lags: int, dtype: Any, layout: Layout, piece: Piece) -> Context:
    """A context in which every lag reaches back before the beginning; `piece` gives shapes."""
    zero, one, infinite = (jnp.full((), value, dtype) for value in (0.0, 1.0, jnp.inf))
    # Ones rather than zeros: whatever an interpolant divides by is then no zero.
    full = lambda lead: jax.tree_util.tree_map(lambda leaf: jnp.ones((*lead, *leaf.shape), leaf.dtype), piece)
    window = Window(as_rows(full((WINDOW,)), layout), zero, one, zero, zero, zero)
    shapes = [((), d) for s, d in layout.shapes for _ in range(prod(s))] if layout.components else layout.shapes
    anchor = tuple(jnp.ones(shape, dtype) for shape, dtype in shapes)
    return Context((window,) * num_lags, full(()), zero, zero, anchor, infinite, zero)
