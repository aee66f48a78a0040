"""A recorded step with the events at its end, as one differentiable function."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from ...numerics.batching import either
from ...numerics.loops import vary_like
from .consistent import made_consistent
from .operands import begins_anew
from .saving import write


class Passed(NamedTuple):
    """What one recorded step makes of a state."""

    tb: Any
    """Its end, which moves where an event decides about it."""
    y: tuple
    """The state after the events at the end."""
    dense: Any
    memory: Any
    seen: tuple = ()
    """What the logs keep of every event that has one."""


def pushed_step(plan: Any, operands: Any, settings: Any, row: Any, alone: bool, point: tuple, moves: tuple) -> tuple:
    """A recorded step and its tangents, from those of `(ta, tb, y, memory, theta)`."""
    fixed = settings, begins_anew(plan, operands, row), row.events
    push = lambda step: lambda point, moves, fixed: jax.jvp(lambda *p: step(p, fixed), point, moves)
    return _of_either(plan, alone, row, push, point, moves, fixed)


def pulled_step(plan: Any, operands: Any, settings: Any, row: Any, alone: bool, point: tuple) -> tuple:
    """A recorded step, and the function from its cotangents to those of `(ta, tb, y, memory, theta)`."""
    fixed = settings, begins_anew(plan, operands, row), row.events
    if not plan.has_events:
        return jax.vjp(lambda *p: _plain(plan, alone)(p, fixed), *point)
    passed = _of_either(plan, alone, row, lambda step: step, point, fixed)
    pull = lambda step: lambda point, ct, fixed: jax.vjp(lambda *p: step(p, fixed), *point)[1](ct)
    return passed, lambda ct: _of_either(plan, alone, row, pull, point, ct, fixed)


def _of_either(plan, alone, row, form, *args):
    """`form(step)(*args)` for the step with events at its end or for the plain one, whichever it is."""
    if not plan.has_events:
        return form(_plain(plan, alone))(*args)
    happens = jnp.any(row.events.happens > 0)
    return either(happens, form(_eventful(plan, alone)), form(_plain(plan, alone)), *args)


def _slopes_once(plan, alone):
    # A single reverse loop is faster where XLA may copy (Lorenz by a fifth), unless it saves the way to another thread.
    return not alone or plan.gradient_becomes_cheap


def _plain(plan: Any, alone: bool) -> Any:
    """`(point, fixed) -> Passed` for a step without events at its end."""

    def passed(point, fixed):
        (ta, tb, y, memory, theta), (settings, restarts, _) = point, fixed
        once = _slopes_once(plan, alone)
        y1, dense, memory = plan.replayed_step(theta, settings, ta, tb, y, memory, restarts, slopes_once=once)
        return vary_like(Passed(tb, y1, dense, memory, _unseen(plan, settings, theta, tb, y1)), point)

    return passed


def _eventful(plan: Any, alone: bool) -> Any:
    """The same for a step at whose end events happen: its end moves with their root, and they change the state."""

    def passed(point, fixed):
        (ta, tb, y, memory, theta), (settings, restarts, events) = point, fixed
        once = _slopes_once(plan, alone)
        tb = _moving_end(plan, once)((theta, ta, tb, y, memory), (settings, restarts, events.decides))
        y1, dense, memory = plan.replayed_step(theta, settings, ta, tb, y, memory, restarts, slopes_once=once)
        y2, seen = _changed(plan, settings, theta, tb, y1, events.happens)
        return vary_like(Passed(tb, y2, dense, memory, seen), point)

    return passed


def passed_step(plan: Any, operands: Any, settings: Any, row: Any, point: tuple) -> Passed:
    """The same for derivatives of any order: a step with its events, if it has any."""
    fixed = settings, begins_anew(plan, operands, row), row.events
    if not plan.has_events:
        return _plain(plan, False)(point, fixed)
    happens = jnp.any(row.events.happens > 0)
    # Inside shard_map both branches must vary alike.
    one = lambda step: lambda point: vary_like(step(point, fixed), point, fixed)
    return lax.cond(happens, one(_eventful(plan, False)), one(_plain(plan, False)), point)


def push_events(plan: Any, row: Any, carry: Any, active: Any, dta: Any, dtb: Any, dseen: tuple) -> tuple:
    """Tangents of the time, the logs and the ends of pieces behind a row, and how often each event has happened."""
    happens = (row.events.happens > 0) & active
    logs, supply = [], iter(dseen)
    for i, log in enumerate(carry.events.logs):
        if log is not None:
            values = next(supply)
            index = jnp.minimum(carry.counts[i], log.ts.shape[0] - 1)
            happens_here = happens[i] & (carry.counts[i] < log.ts.shape[0])
            put = lambda b, leaf, index=index, keep=happens_here: write(b, jnp.where(keep, leaf, b[index]), index)
            log = type(log)(put(log.ts, dtb), tuple(put(b, v) for b, v in zip(log.ys, values, strict=True)))
        logs.append(log)
    ends = carry.events.ends
    if plan.dense:
        index = carry.accepted
        ends = write(ends, jnp.where(active, jnp.stack([dta, dtb]), ends[index]), index)
    t = jnp.where(active, dtb, carry.events.t)
    return carry.events._replace(t=t, logs=tuple(logs), ends=ends), carry.counts + happens


def pull_events(plan: Any, row: Any, carry: Any, cotangents: Any, accepted: Any, active: Any, ct_ends: tuple) -> tuple:
    """Counts before a row, cotangents of its ends, and of what the logs keep of it."""
    happens = (row.events.happens > 0) & active
    counts = carry.counts - happens
    ct_tb, ct_seen = ct_ends[1] + carry.ct_t, []
    for i, log in enumerate(cotangents.events.logs):
        if log is not None:
            index = jnp.minimum(counts[i], log.ts.shape[0] - 1)
            keep = happens[i] & (counts[i] < log.ts.shape[0])
            ct_tb = ct_tb + jnp.where(keep, log.ts[index], 0.0)
            ct_seen.append(tuple(jnp.where(keep, leaf[index], 0) for leaf in log.ys))
    ct_ta = ct_ends[0]
    if plan.dense:
        ends = cotangents.events.ends[accepted]
        ct_ta, ct_tb = ct_ta + ends[0], ct_tb + ends[1]
    return counts, (ct_ta, ct_tb), tuple(ct_seen)


def _changed(plan, settings, theta, tb, y, happens):
    """The state after the events, and what each of them saw."""
    system, seen = plan.bind(theta, settings), []
    for i in range(plan.system.events.number):
        if plan.system.events.lengths[i] is not None:
            seen.append(system.events.observe(i, tb, y, plan.system.layout))
        new = system.events.affect(i, tb, y)
        y = tuple(jnp.where(happens[i] > 0, a, b) for a, b in zip(new, y, strict=True))
    return made_consistent(system, tb, y), tuple(seen)


def _unseen(plan, settings, theta, tb, y):
    """Zeros in the shapes of `Passed.seen`."""
    if not plan.has_events:
        return ()
    happens = jnp.zeros(plan.system.events.number, tb.dtype)
    shapes = jax.eval_shape(lambda theta, tb, y: _changed(plan, settings, theta, tb, y, happens)[1], theta, tb, y)
    return jax.tree_util.tree_map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)


def _moving_end(plan: Any, slopes_once: bool) -> Any:
    """`(moving, fixed) -> tb` with the derivative of the implicit function theorem.

    The end is the root of `G(tb) = g(tb, Phi(ta, tb, y, theta), theta)`, where `Phi` is the step and `g` the condition
    that decides: `dtb = -dG / G_tb` with `tb` frozen in `dG`. Where none decides `tb` moves as it is given.
    """

    def condition(tb, rest, fixed):
        (theta, ta, y, memory), (settings, restarts, decides) = rest, fixed
        y1, _, _ = plan.replayed_step(theta, settings, ta, tb, y, memory, restarts, slopes_once=slopes_once)
        values = plan.bind(theta, settings).events.conditions(tb, y1)
        return jnp.sum(jnp.where(decides > 0, values, 0.0))

    @jax.custom_jvp
    def time(moving, fixed):
        del fixed
        return moving[2]

    def rule(primals, tangents):
        moving, fixed = primals
        (theta, ta, _, y, memory), (dtheta, dta, given, dy, dmemory) = moving, tangents[0]
        tb = time(moving, fixed)
        rest = theta, ta, y, memory
        change = _moved(lambda rest: condition(tb, rest, fixed), rest, (dtheta, dta, dy, dmemory))
        rate = _rate_on_path(plan, tb, rest, fixed) if plan.system.brownian is not None else None
        if rate is None:
            rate = jax.jvp(lambda tb: condition(tb, rest, fixed), (tb,), (jnp.ones_like(tb),))[1]
        decided = lax.stop_gradient(jnp.any(fixed[2] > 0))
        given = jnp.zeros_like(tb) if isinstance(given, SymbolicZero) else given
        return tb, jnp.where(decided, -change / jnp.where(decided, rate, 1.0), given)

    time.defjvp(rule, symbolic_zeros=True)
    return time


def _rate_on_path(plan, tb, rest, fixed):
    """How fast a condition that noise does not move changes at the end of a step: by the drift there.

    The increments of a step belong to its end; the discrete step cannot say how they change with it.
    """
    (theta, ta, y, memory), (settings, restarts, decides) = rest, fixed
    y1, _, _ = plan.replayed_step(theta, settings, ta, tb, y, memory, restarts)
    system = plan.bind(theta, settings)
    point, move = (tb, y1), (jnp.ones_like(tb), system.vector_field(tb, y1))
    return jnp.sum(jnp.where(decides > 0, jax.jvp(system.events.conditions, point, move)[1], 0.0))


def _moved(function: Any, point: Any, moves: Any) -> Any:
    """The tangent of `function(point)`; what does not move is held fixed.

    JAX cannot transpose a barrier, such as that over the slopes of a stage, of some tangents and some zeros.
    """
    leaves, tree = jax.tree_util.tree_flatten(point)
    moves = tree.flatten_up_to(moves)
    active = [not isinstance(move, SymbolicZero) for move in moves]

    def of_active(*chosen):
        supply = iter(chosen)
        filled = [next(supply) if moving else leaf for leaf, moving in zip(leaves, active, strict=True)]
        return function(jax.tree_util.tree_unflatten(tree, filled))

    pairs = [(leaf, move) for leaf, move, moving in zip(leaves, moves, active, strict=True) if moving]
    if not pairs:
        return jnp.zeros_like(function(point))
    chosen, moving = zip(*pairs, strict=True)
    return jax.jvp(of_active, chosen, moving)[1]
