"""One accepted step at a time: the loop of `forward` cut open, with a derivative rule of its own."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ...numerics.loops import vary_like, while_loop
from .forward import RUNNING, Row, State, attempt, start
from .operands import Operands, Settings, is_stop


class Place(NamedTuple):
    """Where an integration stands."""

    state: State
    """What the next step needs."""
    row: Row
    """The last accepted step; before the first one an empty step at t0."""


def begin(plan: Any, operands: Operands, settings: Settings) -> Place:
    """The place before the first step."""
    state = start(plan, operands, settings)
    return Place(state, _empty_row(plan, state))


def advance(plan: Any, operands: Operands, settings: Settings, place: Place) -> Place:
    """Attempt steps until one is accepted or the integration fails; nothing happens when it does not run.

    The derivative is that of the accepted step with its ends frozen, but for ends on `t1` and on stops, which move with
    those: the convention of `replay`. It recomputes the step, because a loop has no reverse derivative.
    """

    @jax.custom_jvp
    def one(operands, settings, place):
        return _as_floats(_until_accepted(plan, operands, settings, place))

    @one.defjvp
    def one_jvp(primals, tangents):
        operands, settings, place = primals
        new = one(*primals)
        return new, _moved(plan, operands, settings, (place, new), tangents[0], tangents[2])

    new = one(operands, settings, place)
    return jax.tree_util.tree_map(lambda leaf, like: leaf.astype(like.dtype), new, place)


def change_state(plan: Any, operands: Operands, settings: Settings, place: Place, y: tuple) -> Place:
    """The same place with another state; what was carried along for the old one is renewed."""
    state, system = place.state, plan.bind(operands.theta, settings)
    carried = system.vector_field(state.t, y) if plan.carries_f0 else None
    if plan.has_memory:
        carried = plan.method.begin(system, state.t, y)
    forgotten = jnp.zeros_like(state.previous)
    return place._replace(state=state._replace(y=y, carried=carried, previous=forgotten, before_previous=forgotten))


def evaluate_inside(plan: Any, operands: Operands, settings: Settings, place: Place, t: Any) -> tuple:
    """The dense output of the last accepted step at times of any shape; NaN outside the step."""
    ta, tb, y, memory, *_ = place.row
    direction = jnp.sign(lax.stop_gradient(operands.t1 - operands.t0))
    safe_tb = jnp.where(ta != tb, tb, ta + direction)
    system = plan.inside(plan.bind(operands.theta, settings), ta, safe_tb)
    dense = plan.method.step(system, ta, safe_tb, y, memory).dense
    dense = plan.method.complete(system, ta, safe_tb, dense)

    def at(t):
        inside = (direction * t >= direction * ta) & (direction * t <= direction * tb)
        values = plan.method.interpolate(dense, (t - ta) / (safe_tb - ta))
        return tuple(jnp.where(inside, value, jnp.nan) for value in values)

    for _ in range(t.ndim):
        at = jax.vmap(at)
    return at(t)


def _until_accepted(plan: Any, operands: Operands, settings: Settings, place: Place) -> Place:
    before = place.state.num_accepted

    def going(carry):
        state, _ = carry
        return (state.status == RUNNING) & (state.num_accepted == before)

    body = lambda carry: attempt(plan, operands, settings, carry[0])
    state, row = while_loop(going, body, (place.state, _empty_row(plan, place.state)), operands, settings)
    accepted = state.num_accepted > before
    return Place(state, jax.tree_util.tree_map(lambda new, old: jnp.where(accepted, new, old), row, place.row))


def _moved(plan: Any, operands: Operands, settings: Settings, places: tuple, moves: Operands, move: Any) -> Place:
    """Tangents of the new place from those of the operands and of the old one."""
    old, new = places
    active = new.state.num_accepted > old.state.num_accepted
    ta, tb = old.state.t, new.state.t
    dtb = jnp.where(tb == operands.t1, moves.t1, 0.0)
    restarts = jnp.array(False)
    if operands.tstops is not None:
        dtb = dtb + jnp.sum(jnp.where(is_stop(operands, tb), moves.tstops, 0.0))
        restarts = jnp.any(is_stop(operands, ta))

    def step(theta, ta, tb, y, memory):
        y1, _, memory = plan.replayed_step(theta, settings, ta, tb, y, memory, restarts)
        return y1, memory

    before = move.state.carried if plan.has_memory else None
    point = (operands.theta, ta, jnp.where(active, tb, ta + 1), old.state.y, new.row.memory)
    dy, dmemory = jax.jvp(step, point, (moves.theta, move.state.t, dtb, move.state.y, before))[1]
    choose = lambda a, b: jax.tree_util.tree_map(lambda a, b: jnp.where(active, a, b), a, b)
    zeros = jax.tree_util.tree_map(jnp.zeros_like, new)
    # The evaluation that is handed on is recomputed from the state, so it has no tangent of its own.
    carried = choose(dmemory, before) if plan.has_memory else zeros.state.carried
    state = zeros.state._replace(t=choose(dtb, move.state.t), y=choose(dy, move.state.y), carried=carried)
    row = Row(move.state.t, dtb, move.state.y, before)
    return vary_like(Place(state, choose(row, move.row)), new)


def _empty_row(plan: Any, state: State) -> Row:
    return Row(state.t, state.t, state.y, state.carried if plan.has_memory else None)


def _as_floats(place: Place) -> Place:
    """Counts as floats: integer outputs of a rule would need tangents that `shard_map`'s check refuses."""
    dtype = place.state.t.dtype

    def as_float(leaf):
        return leaf if jnp.issubdtype(leaf.dtype, jnp.inexact) else leaf.astype(dtype)

    return jax.tree_util.tree_map(as_float, place)
