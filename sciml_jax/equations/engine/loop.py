"""The driver of the stepping loop: runs it to its end, saves at the requested times, and may record every step.

The same loops run one integration and a batch of them. In a batch all lanes share the counters: the next save time is
written when every lane has reached it, and a record gets one row of all lanes per iteration. So every write is one
contiguous block; with counters of their own, every lane's write would be a scatter.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ...numerics.loops import vary_like, while_loop
from .event_change import no_occurrence
from .forward import RUNNING, Row, State, attempt, finish, start
from .operands import Operands, Settings
from .saving import save_one, waits, write


class One:
    """A single integration."""

    lead: tuple = ()

    def map(self, function: Callable, operands: Operands, settings: Settings, *rest: Any) -> Any:
        """`function(operands, settings, *rest)`."""
        return function(operands, settings, *rest)


class Lanes:
    """A batch: `size` lanes, with `axes` (0 or None for every leaf) for operands and settings."""

    def __init__(self, size: int, axes: tuple):
        self.size, self.axes, self.lead = size, axes, (size,)

    def map(self, function: Callable, operands: Operands, settings: Settings, *rest: Any) -> Any:
        """`function(operands, settings, *rest)` for every lane; all of `rest` has the lanes in front."""
        axes = (*self.axes, *(0 for _ in rest))
        return jax.vmap(function, in_axes=axes, axis_size=self.size)(operands, settings, *rest)


def one_of(over: Any, operands: Operands, settings: Settings) -> tuple[Operands, Settings]:
    """Shapes of one lane's operands and settings."""
    if isinstance(over, One):
        return operands, settings
    drop = lambda leaf, axis: jax.ShapeDtypeStruct(leaf.shape[1:] if axis == 0 else leaf.shape, leaf.dtype)
    leaves, treedef = jax.tree_util.tree_flatten((operands, settings))
    axes = treedef.flatten_up_to(over.axes)
    return jax.tree_util.tree_unflatten(treedef, [drop(*pair) for pair in zip(leaves, axes, strict=True)])


class Run(NamedTuple):
    """An integration under way."""

    index: Any
    """Iterations so far (of all lanes together)."""
    cursor: Any
    """Position of the next save time."""
    state: State
    saved: tuple
    """Shapes (K, *lanes, ...)."""
    rows: Any
    """The record, shapes (rows, *lanes, ...); or None."""


def integrate(plan: Any, over: Any, operands: Operands, settings: Settings, record: bool = False) -> Run:
    """Run to the end. With `record`, a single integration keeps its accepted steps in `rows`."""
    state = over.map(plan.traced_once(start), operands, settings)
    zero = jnp.zeros((), jnp.int32)
    saved = ()
    if plan.num_save:
        saved = plan.empty_saved(*one_of(over, operands, settings), lead=over.lead)
    rows = empty_rows(plan, plan.max_steps, state) if record else None
    run = vary_like(Run(zero, zero, state, saved, rows), operands, settings, state)
    if plan.num_save:
        body = lambda run: _save(plan, over, operands, settings, _advance(plan, over, operands, settings, run))
        going = lambda run: (run.cursor < plan.num_save) | jnp.any(is_running(plan, run.state))
        run = while_loop(going, body, run, operands, settings)
    else:
        run = _advance(plan, over, operands, settings, run)
    return run._replace(state=over.map(lambda o, s, x: finish(plan, o, s, x), operands, settings, run.state))


def integrate_unlinked(plan: Any, over: Lanes, operands: Operands, settings: Settings) -> Run:
    """A batch whose lanes save for themselves, with cursors and rows of their own.

    For vector fields that cost much: no lane waits for another at a save time, at the price of scattered writes.
    """
    state = over.map(plan.traced_once(start), operands, settings)
    saved = plan.empty_saved(*one_of(over, operands, settings), lead=over.lead)
    saved = tuple(jnp.moveaxis(leaf, 0, 1) for leaf in saved)
    zero = jnp.zeros((), jnp.int32)
    run = vary_like(Run(zero, jnp.zeros(over.lead, jnp.int32), state, saved, None), operands, settings, state)

    def body(run):
        state, _ = step_lanes(plan, over, operands, settings, run.state, is_running(plan, run.state))
        dense = over.map(lambda o, s, x: _completed(plan, o, s, x), operands, settings, state)
        pending = lambda run: over.map(lambda o, _, x, k: waits(plan, o, x, k), operands, settings, state, run.cursor)

        def save(run):
            value = over.map(
                lambda o, s, x, d, k: save_one(plan, o, s, x, d, k), operands, settings, state, dense, run.cursor
            )
            index = jnp.where(pending(run), run.cursor, plan.num_save)
            put = lambda buffer, leaf, i: buffer.at[i].set(leaf.astype(buffer.dtype), mode="drop")
            saved = tuple(jax.vmap(put)(b, leaf, index) for b, leaf in zip(run.saved, value, strict=True))
            return run._replace(cursor=run.cursor + pending(run), saved=saved)

        return while_loop(lambda run: jnp.any(pending(run)), save, run._replace(state=state), operands, settings, dense)

    run = while_loop(lambda run: jnp.any(is_running(plan, run.state)), body, run, operands, settings)
    return run._replace(state=over.map(lambda o, s, x: finish(plan, o, s, x), operands, settings, run.state))


def _completed(plan, operands, settings, state):
    """The last step's interpolant, with the extra evaluations that it needs."""
    system = plan.inside(plan.bind(operands.theta, settings), state.last[0], state.t)
    return plan.method.complete(system, state.last[0], state.t, state.last[1])


def _advance(plan, over, operands, settings, run):
    """Step until every lane that runs has come to the next save time."""

    def going(run):
        return jnp.any(_wants(plan, over, operands, settings, run))

    def body(run):
        wants = _wants(plan, over, operands, settings, run)
        state, row = step_lanes(plan, over, operands, settings, run.state, wants)
        # A rejected attempt of a single integration is overwritten by the next one.
        rows = None if run.rows is None else write_row(run.rows, row, run.state.num_accepted)
        return run._replace(index=run.index + 1, state=state, rows=rows)

    return while_loop(going, body, run, operands, settings)


def step_lanes(plan: Any, over: Any, operands: Operands, settings: Settings, state: State, wants: Any) -> tuple:
    """One attempt of every lane that wants one; rows of the others, and rejected ones, have `ta == tb`."""
    if isinstance(over, One):
        return plan.traced_once(attempt)(operands, settings, state)

    def one(operands, settings, state, wants):
        new, row = plan.traced_once(attempt)(operands, settings, state)
        advanced = wants & (new.num_accepted > state.num_accepted)
        chosen = jax.tree_util.tree_map(lambda a, b: jnp.where(wants, a, b), new, state)
        # What delays keep was written behind its end: selecting would copy all of it.
        kept = None if state.history is None else chosen.history._replace(kept=new.history.kept)
        state = chosen._replace(history=kept)
        return state, row._replace(tb=jnp.where(advanced, row.tb, row.ta))

    return over.map(one, operands, settings, state, wants)


def _wants(plan, over, operands, settings, run):
    running = is_running(plan, run.state)
    if not plan.num_save:
        return running
    return running & ~over.map(lambda o, _, x: waits(plan, o, x, run.cursor), operands, settings, run.state)


def is_running(plan: Any, state: State) -> Any:
    """Which lanes go on."""
    running = state.status == RUNNING
    return running if plan.max_steps is None else running & (state.num_steps < plan.max_steps)


def _save(plan, over, operands, settings, run):
    """Save at every time that all running lanes have reached."""

    dense = over.map(lambda o, s, x: _completed(plan, o, s, x), operands, settings, run.state)

    def going(run):
        return (run.cursor < plan.num_save) & ~jnp.any(_wants(plan, over, operands, settings, run))

    def body(run):
        value = over.map(
            lambda o, s, x, d: save_one(plan, o, s, x, d, run.cursor), operands, settings, run.state, dense
        )
        saved = tuple(write(buffer, leaf, run.cursor) for buffer, leaf in zip(run.saved, value, strict=True))
        return run._replace(cursor=run.cursor + 1, saved=saved)

    return while_loop(going, body, run, operands, settings, dense)


def empty_rows(plan: Any, length: int, state: State) -> Row:
    """A record whose contents do not matter, since the rows in use are counted."""
    memory = state.carried if plan.has_memory else None
    row = Row(state.t, state.t, state.y, memory, no_occurrence(plan, state.t) if plan.has_events else None)
    return jax.tree_util.tree_map(lambda leaf: jnp.empty((length, *leaf.shape), leaf.dtype), row)


def write_row(rows: Row, row: Row, index: Any) -> Row:
    """Put one row into the record."""
    return jax.tree_util.tree_map(lambda buffer, value: write(buffer, value, index), rows, row)
