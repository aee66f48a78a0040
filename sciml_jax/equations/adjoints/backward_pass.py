"""The adjoint equation from the end to the beginning, with jumps on the way.

For a loss L of `y(t1)` and of values `g(s_j, y(s_j))` at the save times, `lambda = dL/dy(t)` obeys

    lambda' = -(df/dy)^T lambda,   lambda(t1) = dL/dy(t1),   lambda(s_j-) = lambda(s_j+) + (dg/dy)^T dL/dg_j,

and gives `dL/dy0 = lambda(t0)`, `dL/dtheta = int (df/dtheta)^T lambda dt + sum (dg/dtheta)^T dL/dg_j`,
`dL/dt0 = -lambda(t0) f(t0)`, `dL/dt1 = dL/dy(t1) f(t1)`, `dL/ds_j = dL/dg_j dg/ds` along the solution, and
`dL/dtau = lambda(tau) (f(tau-) - f(tau+))` for a time tau stepped on, over which f may jump.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ...core.status import Status
from ...numerics.loops import vary_like
from ..engine.operands import Operands


class Sweep(NamedTuple):
    """Where the backward integration stands."""

    t: Any
    h: Any
    """Size of the next step (positive)."""
    adjoint: tuple
    """lambda, a tuple like the state."""
    theta: tuple
    """Cotangents of the operands of the vector field so far."""
    y: tuple
    """The state, for an adjoint that integrates it too."""


class Forward(NamedTuple):
    """What the forward pass leaves for the backward one."""

    operands: Any
    settings: Any
    outputs: Any
    info: tuple
    kept: Any
    """The adjoint's own."""


def vector_field(plan: Any, forward: Forward) -> Any:
    """`(t, y, theta) -> dy/dt`, theta the operands of the vector field alone."""
    operands, consts = forward.operands, forward.settings.consts
    rest = operands.theta[len(field_operands(plan, forward)) :]

    def field(t, y, theta):
        system = plan.inside(plan.system.bind(theta + rest, consts), operands.t0, operands.t1)
        return system.vector_field(t.astype(operands.t0.dtype), y)

    return field


def field_operands(plan: Any, forward: Forward) -> tuple:
    """The operands that the vector field uses: the first of all; others belong to its Jacobian and to what is saved."""
    return plan.system.parts(forward.operands.theta, forward.settings.consts)[0][0]


def pull_back(adjoint: Any, plan: Any, forward: Forward, cotangents: Any) -> Operands:
    """Cotangents of the operands from those of the outputs, by an `AbstractContinuousAdjoint`."""
    operands, (t_end, h, _, _, cursor, status, *_) = forward.operands, forward.info
    # The equation is linear in lambda: with a largest cotangent of one, the absolute tolerance means the same for a
    # loss in any units.
    scale = _largest((cotangents.y, cotangents.saved))
    cotangents = jax.tree_util.tree_map(lambda ct: ct / scale.astype(ct.real.dtype), cotangents)
    field, theta = vector_field(plan, forward), field_operands(plan, forward)
    zeros = jax.tree_util.tree_map(jnp.zeros_like, operands)
    first_h = forward.settings.dt0 if not plan.controller_is_adaptive else h
    init = Sweep(t_end, first_h, cotangents.y, zeros.theta, forward.outputs.y)
    times, order = _events(operands, t_end)
    is_done = (status == Status.SUCCESS) | (status == Status.EVENT)
    ct_t1 = jnp.where(is_done, _dot(cotangents.y, field(t_end, forward.outputs.y, theta)), 0.0)

    def visit(sweep, event):
        time, index = event
        sweep = _advance(adjoint, plan, forward, sweep, time)
        y = adjoint.state(plan, forward, sweep)
        sweep, ct_save = _saved(plan, forward, cotangents, sweep, y, index, cursor)
        return sweep, (ct_save, _stopped(plan, forward, sweep, y))

    sweep, (ct_save, ct_stop) = lax.scan(visit, vary_like(init, forward, cotangents), (times, order))
    by_index = lambda values: jnp.zeros_like(values).at[order].set(values)
    num_stops = _num_stops(operands)
    ct_t0 = -_dot(sweep.adjoint, field(operands.t0, operands.y0, theta))
    ct_stops = None
    if operands.tstops is not None:
        inside = (operands.tstops - operands.t0) * (operands.tstops - t_end) < 0
        ct_stops = jnp.where(inside, by_index(ct_stop)[:num_stops], 0.0)
    total = Operands(sweep.adjoint, ct_t0, ct_t1, sweep.theta, by_index(ct_save)[num_stops:-1], ct_stops)
    return jax.tree_util.tree_map(lambda ct: ct * scale.astype(ct.real.dtype), total)


def _events(operands, t_end):
    """Times to halt at from the end to t0, with their place among (stops, save times, t0)."""
    stops = () if operands.tstops is None else (operands.tstops,)
    times = lax.stop_gradient(jnp.concatenate([*stops, operands.save_ts, operands.t0[None]]))
    direction = jnp.sign(operands.t1 - operands.t0)
    low, high = jnp.minimum(operands.t0, t_end), jnp.maximum(operands.t0, t_end)
    times = lax.stop_gradient(jnp.clip(times, low, high))
    # Stable: what is saved on a stop belongs to the step before it, so going backwards the stop comes first.
    order = jnp.argsort(-direction * times, stable=True)
    return times[order], order


def _advance(adjoint, plan, forward, sweep, time):
    """The sweep at `time`; an interval of length zero is not integrated: its solve is refused at once."""
    same = sweep.t == time
    moved = adjoint.interval(plan, forward, sweep, time)
    moved = moved._replace(t=time, h=moved.h if plan.controller_is_adaptive else sweep.h)
    return jax.tree_util.tree_map(lambda new, old: jnp.where(same, old, new), moved, sweep)


def _saved(plan, forward, cotangents, sweep, y, index, cursor):
    """The jump at a save time, and the cotangent of that time."""
    if plan.num_save == 0:
        return sweep, jnp.zeros_like(sweep.t)
    operands, consts = forward.operands, forward.settings.consts
    index = index - _num_stops(operands)
    row = jnp.clip(index, 0, plan.num_save - 1)
    reached = (index >= 0) & (index < jnp.minimum(cursor, plan.num_save))
    y = jax.tree_util.tree_map(lambda leaf, safe: jnp.where(reached, leaf, safe), y, operands.y0)
    given = tuple(jnp.where(reached, leaf[row], 0) for leaf in cotangents.saved)
    observe = lambda theta, t, y: plan.system.bind(theta, consts).observe(t, y)
    more, ct_time, ct_y = jax.vjp(observe, operands.theta, sweep.t, y)[1](given)
    bound = plan.system.bind(operands.theta, consts)
    slope = plan.inside(bound, operands.t0, sweep.t).vector_field(sweep.t, y)
    blank = lambda tree: jax.tree_util.tree_map(lambda leaf: jnp.where(reached, leaf, 0), tree)
    more, ct_time, ct_y = blank((more, ct_time, ct_y))
    sweep = sweep._replace(adjoint=_add(sweep.adjoint, ct_y), theta=_add(sweep.theta, more))
    return sweep, ct_time + _dot(ct_y, slope)


def _stopped(plan, forward, sweep, y):
    """The cotangent of a time stepped on: the vector field before it less that after it."""
    operands = forward.operands
    if operands.tstops is None:
        return jnp.zeros_like(sweep.t)
    bound = plan.system.bind(operands.theta, forward.settings.consts)
    slopes = [bound.within(sweep.t, end).vector_field(sweep.t, y) for end in (operands.t0, operands.t1)]
    return _dot(sweep.adjoint, jax.tree_util.tree_map(jnp.subtract, *slopes))


def _num_stops(operands):
    return 0 if operands.tstops is None else operands.tstops.shape[0]


def _dot(cotangent, vector):
    """The product of a cotangent and a tangent; where the cotangent is zero the tangent may be anything."""
    total = 0.0
    for a, b in zip(cotangent, vector, strict=True):
        total = total + jnp.sum(jnp.where(a == 0, 0, (a * b).real))
    return total


def _largest(tree):
    sizes = [jnp.max(jnp.abs(leaf)) for leaf in jax.tree_util.tree_leaves(tree) if leaf.size]
    largest = lax.stop_gradient(jnp.max(jnp.stack([size.astype(jnp.result_type(*sizes)) for size in sizes])))
    return jnp.where(largest > 0, largest, 1)


def _add(a, b):
    return jax.tree_util.tree_map(jnp.add, a, b)
