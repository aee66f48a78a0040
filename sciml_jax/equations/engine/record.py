"""The record of accepted steps that derivatives replay."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from .forward import Row
from .loop import Run
from .operands import Operands
from .replay_row import EventOutputs, Outputs


class Record(NamedTuple):
    """The accepted steps. Counts are floats, so that no leaf needs an integer tangent."""

    rows: Row
    """Leading axis max_steps; in a batch, rejected attempts are rows with `ta == tb`."""
    num_rows: Any
    """Rows in use."""
    num_accepted: Any
    """Accepted steps among them."""
    num_saved: Any
    """How many save times were reached."""
    num_events: Any = None
    """How often each event happened, shape (events,)."""
    pieces: Any = None
    """The dense outputs that delays look up, with a few rows more than steps; or None."""


def outputs_of(plan: Any, over: Any, operands: Operands, settings: Any, run: Run) -> tuple[Outputs, tuple]:
    """What a run returns, and without derivatives, as floats, what else is known about it.

    Those are the time reached, the step size, counts of steps, accepted steps and saved times, the status, the ends of
    the pieces of a dense output, the work of methods that count it, and how often events happened.
    """
    state = run.state
    count = lambda o, _, t, n: _count_saved(plan, o, t, n)
    saved = over.map(count, operands, settings, state.t, state.num_accepted)
    counts = (state.num_steps, state.num_accepted, saved, state.status)
    as_float = lambda number: number.astype(state.t.dtype)
    happened, events = None, None
    if plan.has_events:
        happened = as_float(state.events.counts)
        events = EventOutputs(state.t, state.events.logs, state.piece_ends)
    info = (state.t, state.h, *(as_float(number) for number in counts), state.piece_ends, state.work, happened)
    return Outputs(state.y, run.saved, state.stepped, state.pieces, events), lax.stop_gradient(info)


def _count_saved(plan: Any, operands: Operands, t_last: Any, num_accepted: Any) -> Any:
    """How many save times were reached, as a float."""
    if plan.num_save == 0:
        return jnp.zeros_like(t_last)
    direction = jnp.sign(operands.t1 - operands.t0)
    reached = (direction * operands.save_ts <= direction * t_last) & (num_accepted > 0)
    return jnp.sum(reached).astype(t_last.dtype)
