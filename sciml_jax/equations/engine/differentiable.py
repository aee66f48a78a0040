"""The integration as one differentiable function: forward and reverse mode to any order, under every transformation.

The derivative rule is a `custom_jvp`: the integration with a record of its accepted steps, and the linear map from
tangents of the operands to tangents of the outputs (`linear_part`), which replays the record.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...numerics.batching import batch_native
from ...numerics.loops import vary_like
from ...numerics.one_kernel import undifferentiated_kernel
from .lane_blocks import blocked, lanes_over
from .linear_part import linear_part
from .loop import One, integrate, integrate_unlinked
from .record import Record, outputs_of
from .replay_lanes import record_lanes
from .whole import outputs_together, take_apart


def differentiable_integration(plan: Any):
    """`(operands, settings) -> (Outputs, info)` with everything whole; derivatives with respect to `operands` only.

    `info` is a tuple of floats (time reached, step size, counts, status) without derivatives: floats, because integer
    outputs of a custom rule would need tangents of a type that `shard_map`'s varying-axes check refuses.
    """
    if plan.max_steps is None:
        # Without a bound there is no record; forward mode goes through the loop itself.
        return lambda operands, settings: _single(plan, operands, settings)
    forward = batch_native(_kernel(plan, _single), _forward_lanes(plan))
    recorder = batch_native(_kernel(plan, _recorded), lambda *args: _recorded_lanes(plan, *args))

    @jax.custom_jvp
    def plain(operands, settings):
        return forward(operands, settings)

    @jax.custom_jvp
    def recorded(operands, settings):
        return recorder(operands, settings)

    @functools.partial(plain.defjvp, symbolic_zeros=True)
    def plain_jvp(primals, tangents):
        operands, settings = primals
        outputs, info, record = recorded(operands, settings)
        moves = linear_part(plan, operands, settings, record, tangents[0])
        return (outputs, info), (moves, _no_tangent(info))

    @functools.partial(recorded.defjvp, symbolic_zeros=True)
    def recorded_jvp(primals, tangents):
        operands, settings = primals
        outputs, info, record = recorded(operands, settings)
        moves = linear_part(plan, operands, settings, record, tangents[0])
        return (outputs, info, record), (moves, _no_tangent(info), _no_tangent(record))

    return plain


def _single(plan, whole, settings):
    operands = take_apart(plan, whole)
    outputs, info = outputs_of(plan, One(), operands, settings, integrate(plan, One(), operands, settings))
    return outputs_together(plan, outputs), info


def _lanes(plan, size, axes, whole, settings, linked=True):
    operands, over = take_apart(plan, whole, axes[0]), lanes_over(plan, size, axes)
    if linked or not plan.num_save:
        run = integrate(plan, over, operands, settings)
        run = run._replace(saved=tuple(jnp.moveaxis(leaf, 1, 0) for leaf in run.saved))
    else:
        run = integrate_unlinked(plan, over, operands, settings)
    outputs, info = outputs_of(plan, over, operands, settings, run)
    return jax.vmap(functools.partial(outputs_together, plan))(outputs), info


def _recorded(plan, whole, settings):
    operands = take_apart(plan, whole)
    if plan.delays is not None:
        return _recorded_with_delays(plan, One(), operands, settings, lambda outputs: outputs_together(plan, outputs))
    run = integrate(plan, One(), operands, settings, record=True)
    outputs, info = outputs_of(plan, One(), operands, settings, run)
    record = Record(run.rows, num_rows=info[3], num_accepted=info[3], num_saved=info[4], num_events=info[8])
    return outputs_together(plan, outputs), info, record


def _recorded_with_delays(plan, over, operands, settings, together):
    """Every step with what it looks up, also in a batch: replaying needs all of it."""
    run = integrate(plan.recording, over, operands, settings)
    if over.lead:
        run = run._replace(saved=tuple(jnp.moveaxis(leaf, 1, 0) for leaf in run.saved))
    outputs, info = outputs_of(plan, over, operands, settings, run)
    kept = run.state.history.kept
    return together(outputs), info, Record(kept.rows, info[3], info[3], info[4], info[8], kept.pieces)


def _recorded_lanes(plan, size, axes, whole, settings):
    if plan.delays is not None:
        together = jax.vmap(functools.partial(outputs_together, plan))
        record = lambda size, axes, whole, settings: _recorded_with_delays(
            plan, lanes_over(plan, size, axes), take_apart(plan, whole, axes[0]), settings, together
        )
        return blocked(record)(size, axes, whole, settings)
    outputs, info = _forward_lanes(plan)(size, axes, whole, settings)
    # Replaying a batch records it anew, so this record is computed only where something else asks for it.
    rows, count = record_lanes(plan, lanes_over(plan, size, axes), take_apart(plan, whole, axes[0]), settings)
    rows = jax.tree_util.tree_map(lambda leaf: jnp.moveaxis(leaf, 1, 0), rows)
    number = vary_like(jnp.broadcast_to(count.astype(info[3].dtype), (size,)), info[3])
    return outputs, info, Record(rows, number, num_accepted=info[3], num_saved=info[4], num_events=info[8])


def _kernel(plan: Any, function: Any) -> Any:
    return undifferentiated_kernel(lambda operands, settings: function(plan, operands, settings))


def _forward_lanes(plan: Any) -> Any:
    """Many lanes forwards: linked at the save times where that makes one kernel of them, else each for itself."""
    alone = lambda number, axes, *args: _lanes(plan, number, axes, *args, linked=False)
    return blocked(lambda number, axes, *args: _lanes(plan, number, axes, *args), alone)


def _no_tangent(tree: Any) -> Any:
    def zero(leaf):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            return jnp.zeros_like(leaf)
        return np.zeros(leaf.shape, jax.dtypes.float0)

    return jax.tree_util.tree_map(zero, tree)
