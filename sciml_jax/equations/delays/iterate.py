"""The step itself, repeated on its own dense output where a lag is shorter than the step."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ...numerics.loops import vary_like, while_loop
from .ahead import Ahead, context_of, rounding
from .history import row_at
from .past import Piece

MOST = 10
"""Iterations after which a step is given up; five times as many with fixed steps, which cannot shrink."""

ACCURACY = 3e-3
"""Change of the dense output, in units of the tolerance, at which the iteration stops."""

FRACTIONS = (0.25, 0.5, 0.75, 1.0)
"""Where in a step lags that are functions are looked at."""


class _Now(NamedTuple):
    count: Any
    own: Piece
    is_known: Any
    is_own: tuple
    is_done: Any
    has_failed: Any
    result: Any
    """What is traced of the step."""
    work: Any


def attempt_step(plan: Any, operands: Any, system: Any, state: Any, ahead: Ahead, carried: Any) -> tuple:
    """The step, which lags turned out to be shorter than it, and the system that it saw."""
    ta, tb = state.t, ahead.tb
    # Methods import the engine, which imports this module.
    from ..methods.one_step import Work

    bind = lambda is_own, own, known: system.with_past(context_of(plan, operands, state, ahead, is_own, own, known))

    def take(is_own, own, known):
        step = plan.method.step(bind(is_own, own, known), ta, tb, state.y, carried)
        work = step.work or Work(jnp.full_like(ta, plan.method.evaluations_per_step))
        return step._replace(work=Work(*(jnp.asarray(w, ta.dtype) for w in work)))

    n = state.num_accepted
    own = row_at(state.history.kept.pieces, jnp.maximum(n - 1, 0) % plan.delays.ring)
    is_known = (n > 0) & ~state.history.is_new
    shapes = jax.eval_shape(take, ahead.is_own, own, is_known)
    leaves, tree = jax.tree_util.tree_flatten(shapes)
    false = jnp.array(False)
    zeros = [jnp.zeros(leaf.shape, leaf.dtype) for leaf in leaves]
    now = _Now(jnp.int32(0), own, is_known, ahead.is_own, false, false, zeros, jnp.zeros_like(ta))
    most = (5 if system.has_fixed_steps else 1) * MOST

    def body(now: _Now) -> _Now:
        step = take(now.is_own, now.own, now.is_known)
        piece = step.dense
        is_own = _looked_into(plan, system, ahead, ta, tb, piece, now.is_own)
        any_own, as_before = false, jnp.array(True)
        for a, b in zip(is_own, now.is_own, strict=True):
            any_own, as_before = any_own | a, as_before & (a == b)
        change = _change(plan, system, ahead, ta, tb, now.own, piece, state.y, is_own)
        settled = now.is_known & as_before & (change <= 1.0)
        count = now.count + 1
        is_done = ~any_own | settled | ~(jnp.isfinite(change) | ~now.is_known)
        has_failed = ~is_done & (count >= most)
        work = now.work + step.work.vector_field
        found = jax.tree_util.tree_leaves(step)
        after = _Now(count, piece, jnp.array(True), is_own, is_done | has_failed, has_failed, found, work)
        return vary_like(after, now, operands, state, ahead)

    now = vary_like(now, now, operands, state, ahead)
    now = while_loop(lambda now: ~now.is_done, body, now, operands, state, ahead, carried, system.operands())
    step = jax.tree_util.tree_unflatten(tree, now.result)
    unsolved = now.has_failed if step.unsolved is None else step.unsolved | now.has_failed
    factor = step.factor
    if plan.controller_is_adaptive:
        given = jnp.full_like(ta, jnp.nan) if factor is None else factor
        factor = jnp.where(now.has_failed, jnp.asarray(0.3, given.dtype), given)
    step = step._replace(work=step.work._replace(vector_field=now.work), unsolved=unsolved, factor=factor)
    return step, now.is_own, bind(now.is_own, now.own, now.is_known)


def first_look(plan: Any, operands: Any, system: Any, state: Any, ahead: Ahead) -> Any:
    """The system with what is known before the step."""
    n = state.num_accepted
    own = row_at(state.history.kept.pieces, jnp.maximum(n - 1, 0) % plan.delays.ring)
    is_known = (n > 0) & ~state.history.is_new
    return system.with_past(context_of(plan, operands, state, ahead, ahead.is_own, own, is_known))


def _looked_into(plan, system, ahead, ta, tb, piece, is_own):
    """Which lags are shorter than the step, those that are functions by its dense output."""
    delays = plan.delays
    if all(delays.is_constant):
        return is_own
    close = rounding(ta, tb)
    flags = list(is_own)
    for fraction in FRACTIONS:
        t = ta + fraction * (tb - ta)
        lags = system.lags(t, plan.method.interpolate(piece, jnp.asarray(fraction, ta.dtype)))
        for j, reach in enumerate(ahead.reaches):
            if not delays.is_constant[j]:
                flags[j] = flags[j] | (reach.is_open & (t - lags[j] > ta + close))
    return tuple(flags)


def _change(plan, system, ahead, ta, tb, old, new, y, is_own):
    """By how much the dense output has changed where it is looked into, in units of what is allowed."""
    h = tb - ta
    furthest = jnp.zeros_like(ta)
    for reach, flag in zip(ahead.reaches, is_own, strict=True):
        part = jnp.clip(1 - reach.lag / h, 0.0, 1.0)
        furthest = jnp.maximum(furthest, jnp.where(flag, jnp.where(part > 0, part, 1.0), 0.0))
    width = jnp.where(old.tb == old.ta, 1.0, old.tb - old.ta)
    largest = jnp.zeros_like(ta)
    for share in (0.5, 1.0):
        fraction = share * furthest
        before = plan.method.interpolate(old, (ta + fraction * h - old.ta) / width)
        after = plan.method.interpolate(new, fraction)
        moved = tuple(b - a for a, b in zip(before, after, strict=True))
        if system.has_fixed_steps:
            # Without tolerances, to rounding.
            for m, a, b in zip(moved, y, after, strict=True):
                number = jnp.finfo(m.dtype)
                size = jnp.max(jnp.abs(m) / (100 * number.eps * (jnp.abs(a) + jnp.abs(b)) + number.tiny))
                largest = jnp.maximum(largest, size.astype(ta.dtype))
        else:
            largest = jnp.maximum(largest, (system.norm(moved, y, after) / ACCURACY).astype(ta.dtype))
    return largest
