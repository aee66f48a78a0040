"""The stepping loop: attempt a step, accept or reject it, save what falls into it, choose the next size."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ...core.status import Status
from ...numerics.loops import vary_like
from .aim import aim
from .algebraic import mass_reduction
from .event_bracket import look_at_end
from .event_change import Occurrence, change, look, start_events
from .initial_step import initial_step
from .judge import judge
from .operands import Operands, Settings, begins_anew
from .residual import is_inconsistent
from .saving import save_step, write
from .stiff_end import is_stiff

RUNNING = -1
"""Status of an integration that goes on."""


class State(NamedTuple):
    """What the next step needs."""

    t: Any
    y: tuple
    carried: Any
    """The vector field at (t, y) for methods that hand it on, the memory of a method that has one, or None."""
    h: Any
    """Size of the next step (positive)."""
    previous: Any
    """Logarithm of the last accepted step's error norm, and of the one before."""
    before_previous: Any
    num_steps: Any
    num_accepted: Any
    status: Any
    work: Any
    """What the steps cost, for methods that count it; or None."""
    scratch: Any
    """What the last attempt left for the next one, for methods that carry it; or None."""
    last: Any
    """Beginning and interpolant of the last accepted step, where times are saved; or None."""
    stepped: tuple
    """Values saved after every k-th step, leading axis max_steps // k."""
    pieces: Any
    """Interpolants of every step for dense output, leading axis max_steps."""
    piece_ends: Any
    """Beginning and end of those steps, shape (max_steps, 2)."""
    events: Any = None
    """Where the events stand (`EventState`); or None."""
    history: Any = None
    """What delays look up (`delays.history.History`); or None."""


class Row(NamedTuple):
    """One accepted step as the record keeps it; a row with `ta == tb` is a rejected attempt and changes nothing."""

    ta: Any
    tb: Any
    y: tuple
    memory: Any
    """The memory at `ta`, for methods that have one."""
    events: Any = None
    """What happens at its end (`Occurrence`), in a solve with events."""
    delays: Any = None
    """What lookups in it reach and why it ends where it does (`delays.history.Marks`), with delays."""


def start(plan: Any, operands: Operands, settings: Settings) -> State:
    """The state before the first step."""
    system = plan.bind(operands.theta, settings)
    t0, t1, y0 = operands.t0, operands.t1, operands.y0
    needs_guess = plan.needs_guess
    checks = system.has_algebraic_equations
    f0: Any = system.vector_field(t0, y0) if plan.carries_f0 or needs_guess or checks else None
    carried = plan.method.begin(system, t0, y0) if plan.has_memory else (f0 if plan.carries_f0 else None)
    h = settings.dt0
    # Decided at the start, without derivatives.
    still = plan.bind(lax.stop_gradient(operands.theta), settings)
    reduction = mass_reduction(still.mass) if needs_guess or checks else None
    slope = None if reduction is None else functools.partial(reduction.slope, still, *lax.stop_gradient((t0, y0)))
    if needs_guess:
        guess = initial_step(system, t0, t1, y0, f0, settings.rtol, settings.atol, plan.method.error_order, slope)
        if plan.system.brownian is not None:
            guess = jnp.minimum(guess, system.noise.first_step(t0, y0, system.tolerances(y0)).astype(guess.dtype))
        h = jnp.clip(guess, settings.dtmin, settings.dtmax)
    finite = jnp.isfinite(t0) & jnp.isfinite(t1)
    for leaf in y0:
        finite = finite & jnp.all(jnp.isfinite(leaf))
    healthy = jnp.array(True)
    for leaf in f0 or ():
        healthy = healthy & jnp.all(jnp.isfinite(leaf))
    bad = settings.bad_input | ~finite | (t0 == t1)
    status = jnp.where(healthy, RUNNING, Status.NON_FINITE)
    if system.is_fully_implicit:
        slope = system.vector_field(t0, y0)
        unfit = is_inconsistent(system, t0, y0, slope, settings.rtol, settings.atol)
        status = jnp.where(healthy & unfit, Status.INCONSISTENT, status)
    if checks and reduction is not None:
        found = reduction.check(still, *lax.stop_gradient((t0, y0, f0)))
        status = jnp.where(healthy & found.is_inconsistent, Status.INCONSISTENT, status)
        if not plan.method.solves_index_2:
            status = jnp.where(healthy & found.is_singular, Status.SINGULAR, status)
    status = jnp.where(bad, Status.BAD_INPUT, status)
    zero = jnp.zeros((), jnp.int32)
    log_one = jnp.zeros((), jnp.float32)
    stepped, pieces, ends = plan.empty_buffers(operands, settings)
    last = None
    if plan.num_save:
        last = (
            t0,
            jax.tree_util.tree_map(
                lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), plan.dense_shape(operands, settings, complete=False)
            ),
        )
    state = State(
        t=t0,
        y=y0,
        carried=carried,
        h=lax.stop_gradient(h),
        previous=log_one,
        before_previous=log_one,
        num_steps=zero,
        num_accepted=zero,
        status=status.astype(jnp.int32),
        work=tuple(jnp.zeros_like(t0) for _ in range(4)) if plan.method.counts_work else None,
        scratch=lax.stop_gradient(plan.method.begin_scratch(system, t0, y0)) if plan.method.carries_scratch else None,
        last=last,
        stepped=stepped,
        pieces=pieces,
        piece_ends=ends,
        events=start_events(plan, operands, settings) if plan.has_events else None,
    )
    if plan.delays is not None:
        state = state._replace(history=plan.delays.start(plan, operands, settings, state))
    return vary_like(state, operands, settings)


def attempt(plan: Any, operands: Operands, settings: Settings, state: State) -> tuple[State, Row]:
    """One attempted step. Must only be called while `state.status` is RUNNING."""
    system = plan.bind(operands.theta, settings)
    aimed = aim(plan, operands, system, state)
    ta, tb, ahead = state.t, aimed.tb, aimed.ahead
    row = Row(ta, tb, state.y, state.carried if plan.has_memory else None)
    if plan.has_events:
        row = row._replace(events=Occurrence((), (), state.events.is_new))
    if plan.delays is not None:
        system = plan.delays.with_past(plan, operands, system, state, ahead)
    inside, carried = plan.inside(system, ta, tb), state.carried
    if plan.max_steps is not None:
        # Without a bound, derivatives go through this loop itself.
        inside = inside.running_forward()
    if plan.restarts:
        anew = begins_anew(plan, operands, row)
        anew = anew if plan.delays is None else anew | state.history.is_new
        carried = plan.restarted(inside, ta, state.y, carried, anew)
        row = row._replace(memory=carried)
    if plan.method.carries_scratch:
        inside = inside.with_scratch(state.scratch)
    if plan.delays is None:
        step, is_own = plan.method.step(inside, ta, tb, state.y, carried), None
    else:
        step, is_own, inside = plan.delays.step(plan, operands, inside, state, ahead, carried)
    outside = system.events.outside(tb, step.y1) if plan.has_events else ()
    judged = judge(plan, operands, settings, state, step, ta, tb, aimed.is_short, outside)
    after = _looked_at(plan, operands, settings, state, inside, aimed, is_own, step, row, judged)
    accepted, next_h, log_error, status, step, row, events, history = after
    choose = lambda new, old: jax.tree_util.tree_map(lambda a, b: jnp.where(accepted, a, b), new, old)  # noqa: E731
    handed_on = step.f1 if plan.carries_f0 else None
    kept = carried
    if plan.has_memory:
        handed_on, kept = step.memory, carried if step.retry is None else step.retry
    pieces = state.pieces
    if plan.dense:
        dense = plan.method.complete(inside, ta, tb, step.dense)
        pieces = jax.tree_util.tree_map(lambda b, piece: write(b, piece, state.num_accepted), state.pieces, dense)
    state = State(
        t=jnp.where(accepted, tb, ta),
        y=choose(step.y1, state.y),
        carried=choose(handed_on, kept),
        h=next_h,
        previous=jnp.where(accepted, log_error, state.previous),
        before_previous=jnp.where(accepted, state.previous, state.before_previous),
        num_steps=state.num_steps + 1,
        num_accepted=state.num_accepted + accepted.astype(jnp.int32),
        status=status,
        work=_added(state.work, step.work) if plan.method.counts_work else None,
        scratch=lax.stop_gradient(step.scratch) if plan.method.carries_scratch else None,
        last=choose((ta, step.dense), state.last) if plan.num_save else None,
        stepped=save_step(plan, system, state, step, tb, accepted),
        pieces=pieces,
        piece_ends=write(state.piece_ends, jnp.stack([ta, tb]), state.num_accepted) if plan.dense else state.piece_ends,
        events=events,
        history=history,
    )
    return state, row


def _looked_at(plan, operands, settings, state, inside, aimed, is_own, step, row, judged) -> tuple:
    """What events and breaking points make of a judged attempt, and how they go on."""
    accepted, next_h, log_error, status = judged
    seen: Any = None
    passed: Any = None
    events = history = happens = None
    if plan.delays is not None:
        passed = plan.delays.look_back(plan, settings, inside, state, aimed.ahead, step)
        passed = passed._replace(retake=passed.retake & accepted)
        accepted, next_h = accepted & ~passed.retake, jnp.where(passed.retake, aimed.h, next_h)
    if plan.has_events:
        seeing = look if plan.system.brownian is None else look_at_end
        seen = seeing(plan, operands, settings, state, inside, aimed.tb, step)
        seen = seen._replace(retake=seen.retake & accepted, is_lost=seen.is_lost & accepted)
        accepted, next_h = accepted & ~seen.retake, jnp.where(seen.retake, aimed.h, next_h)
    done = accepted & aimed.lands & aimed.is_end
    status = jnp.where(done, jnp.int32(Status.SUCCESS), status)
    if plan.has_events:
        changed = change(plan, operands, settings, state, aimed.tb, step.y1, seen, accepted, status)
        step, status, row = step._replace(y1=changed.y), changed.status, row._replace(events=changed.occurrence)
        events, happens = changed.events, changed.occurrence.happens
    if plan.delays is not None:
        settled = plan.delays.settle(plan, operands, state, aimed.ahead, is_own, passed, step, row, accepted, happens)
        history, marks, lost = settled
        row, status = row._replace(delays=marks), jnp.where(lost & (status == RUNNING), Status.HISTORY_FULL, status)
    return accepted, next_h, log_error, status, step, row, events, history


def finish(plan: Any, operands: Operands, settings: Settings, state: State) -> State:
    """Give a status to an integration that ran out of steps, and blank what the last rejected attempt left behind."""
    ran_out = state.status == RUNNING
    status = jnp.where(ran_out, jnp.int32(Status.MAX_STEPS), state.status)
    if plan.detects_stiffness:
        stiff = is_stiff(plan, operands, settings, state)
        status = jnp.where(ran_out & stiff, jnp.int32(Status.STIFF), status)
    if plan.delays is not None:
        status = plan.delays.diagnosed(plan, operands, settings, state, status)
    return state._replace(status=status)


def _added(total: tuple, work: Any) -> tuple:
    return tuple(a + jnp.asarray(b, a.dtype) for a, b in zip(total, work, strict=True))
