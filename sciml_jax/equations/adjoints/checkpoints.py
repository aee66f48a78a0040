"""Keeping times and a few states instead of all states, and derivatives that recompute what lies between.

Every accepted step's times are kept, and the state at every `stride`-th. Cotangents are pulled back segment by segment:
the states of a segment are recomputed from its checkpoint on the kept times, without step-size control, then used in
reverse. Tangents are pushed along with the recomputed states. As elsewhere in the engine, a batch runs one loop with a
shared counter, in which rejected attempts are rows with `ta == tb`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ...numerics.loops import vary_like, while_loop
from ..engine.event_row import passed_step
from ..engine.forward import Row, start
from ..engine.loop import Lanes, One, empty_rows, is_running, step_lanes
from ..engine.operands import Operands, Settings
from ..engine.replay import pulled_at_end, pulled_to_start, pushed_at_start, pushed_to_end
from ..engine.replay_row import Outputs, pull_row, push_row
from ..engine.saving import write


class Checkpoints(NamedTuple):
    """What a derivative needs of an integration, all leaves floats; in a batch the rows come first, then the lanes."""

    ta: Any
    """Where the steps begin, shape (max_steps,)."""
    tb: Any
    """Where they end."""
    num_rows: Any
    """Rows in use."""
    marks: Any
    """The states (with their memory) at rows 0, stride, 2 stride, ..."""
    events: Any = None
    """What happens at the end of every row, in a solve with events."""


def checkpoint(plan: Any, over: Any, stride: int, operands: Operands, settings: Settings) -> Checkpoints:
    """Integrate without saving anything, and keep the checkpoints."""
    plan = plan.bare
    state = over.map(lambda o, s: start(plan, o, s), operands, settings)
    make = lambda length: vary_like(empty_rows(plan, length, state), operands, settings, state)
    rows, few = make(plan.max_steps), make(-(-plan.max_steps // stride))
    times, marks = (rows.ta, rows.tb, rows.events), (few.y, few.memory)

    def going(carry):
        count, state, _, _ = carry
        return jnp.any(is_running(plan, state)) & (count < plan.max_steps)

    def body(carry):
        count, state, times, marks = carry
        # A rejected attempt of a single integration is overwritten by the next one.
        index = state.num_accepted if isinstance(over, One) else count
        state, row = step_lanes(plan, over, operands, settings, state, is_running(plan, state))
        slot, due = index // stride, index % stride == 0
        mark = lambda buffer, leaf: write(buffer, jnp.where(due, leaf, buffer[slot]), slot)
        marks = jax.tree_util.tree_map(mark, marks, (row.y, row.memory))
        return count + 1, state, _write(times, (row.ta, row.tb, row.events), index), marks

    loop = (jnp.int32(0), state, times, marks)
    count, state, times, marks = while_loop(going, body, loop, operands, settings)
    count = (state.num_accepted if isinstance(over, One) else count).astype(operands.t0.dtype)
    return Checkpoints(times[0], times[1], count, marks, times[2])


def push_through(plan: Any, over: Any, operands: Any, settings: Any, kept: Checkpoints, moves: Any, axes: Any) -> Any:
    """Tangents of the outputs; `axes` are those of the tangents."""
    init = _mapped(over, lambda o, s, d: pushed_at_start(plan, o, s, d), (axes,))(operands, settings, moves)
    push = lambda o, s, d, row, carry: push_row(plan, isinstance(over, One), o, s, d, row, carry)
    push = _mapped(over, push, (axes, 0, 0))
    advance = _advance(plan, over, operands, settings)
    begin = over.map(lambda o, s: _beginning(plan, o, s), operands, settings)

    def body(carry):
        index, start, carry = carry
        here = _row(kept, index, start)
        return index + 1, advance(here), push(operands, settings, moves, here, carry)

    count = kept.num_rows.astype(jnp.int32)
    loop = vary_like((jnp.int32(0), begin, init), operands, settings, moves, kept)
    carry = while_loop(lambda carry: carry[0] < count, body, loop, operands, settings, moves, kept)[2]
    return _over_lanes(over, pushed_to_end)(carry)


def pull_through(
    plan: Any,
    over: Any,
    stride: int,
    operands: Operands,
    settings: Settings,
    kept: Checkpoints,
    counts: tuple,
    cotangents: Outputs,
    axes: tuple,
) -> Operands:
    """Cotangents of the operands; `counts`: accepted steps, saved times, events; `axes`: of counts and cotangents."""
    finish = lambda o, s, n, ct: pulled_at_end(plan, o, s, ct, *n)
    init = _mapped(over, finish, axes)(operands, settings, counts, cotangents)
    pull = lambda o, s, ct, row, carry: pull_row(plan, isinstance(over, One), o, s, ct, row, carry)
    pull = _mapped(over, pull, (axes[1], 0, 0))
    advance = _advance(plan, over, operands, settings)
    count = kept.num_rows.astype(jnp.int32)
    empty = lambda mark: jnp.empty((stride, *mark.shape[1:]), mark.dtype)
    enter = (operands, settings, kept, cotangents)

    def segment(carry):
        """Recompute the states of a segment forwards, then go through it backwards."""
        number, starts, total = carry
        first = (number - 1) * stride
        last = jnp.minimum(first + stride, count)

        def refill(carry):
            index, start, starts = carry
            start = advance(_row(kept, index, start))
            return index + 1, start, _write(starts, start, index + 1 - first)

        def back(carry):
            index, total = carry
            start = jax.tree_util.tree_map(lambda buffer: buffer[index - 1 - first], starts)
            return index - 1, pull(operands, settings, cotangents, _row(kept, index - 1, start), total)

        mark = jax.tree_util.tree_map(lambda buffer: buffer[number - 1], kept.marks)
        filling = (first, mark, _write(starts, mark, 0))
        starts = while_loop(lambda carry: carry[0] < last - 1, refill, filling, *enter)[2]
        total = while_loop(lambda carry: carry[0] > first, back, (last, total), *enter, starts)[1]
        return number - 1, starts, total

    loop = ((count + stride - 1) // stride, jax.tree_util.tree_map(empty, kept.marks), init)
    total = while_loop(lambda carry: carry[0] > 0, segment, vary_like(loop, *enter), *enter)[2]
    return _mapped(over, lambda o, s, carry: pulled_to_start(plan, o, s, carry), (0,))(operands, settings, total)


def _row(kept, index, start):
    """A kept step, with the state and the memory at its beginning."""
    events = jax.tree_util.tree_map(lambda buffer: buffer[index], kept.events)
    y, memory = start
    return Row(kept.ta[index], kept.tb[index], y, memory, events)


def _advance(plan, over, operands, settings):
    """`row -> (y, memory)` at the end of a kept step."""

    def one(operands, settings, row):
        active = row.ta != row.tb
        point = row.ta, jnp.where(active, row.tb, row.ta + 1), row.y, row.memory, operands.theta
        passed = passed_step(plan, operands, settings, row, point)
        new, old = (passed.y, passed.memory), (row.y, row.memory)
        return jax.tree_util.tree_map(lambda a, b: jnp.where(active, a, b), new, old)

    return lambda row: over.map(one, operands, settings, row)


def _beginning(plan, operands, settings):
    memory = None
    if plan.has_memory:
        memory = plan.method.begin(plan.bind(operands.theta, settings), operands.t0, operands.y0)
    return operands.y0, memory


def _mapped(over, function, axes):
    """`function(operands, settings, *rest)` for every lane, `rest` with these axes."""
    if isinstance(over, Lanes):
        return jax.vmap(function, in_axes=(*over.axes, *axes), axis_size=over.size)
    return function


def _over_lanes(over, function):
    return jax.vmap(function) if isinstance(over, Lanes) else function


def _write(rows, row, index):
    return jax.tree_util.tree_map(lambda buffer, value: write(buffer, value, index), rows, row)
