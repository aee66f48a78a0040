"""The step that `run` and `fit` share: one update, the guard against NaN, the best parameters, early stopping."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, PyTree

from ..numerics.loops import vary_like, varying_axes
from .gradient_step import GradientStep, StepOutput
from .objective import Objective, as_scalar
from .quasi_newton import SolverStep
from .status import FitStatus


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is fixed at compile time."""

    patience: int | None
    min_delta: float
    val_every: int
    track_best: bool


class Task(eqx.Module):
    """Everything that a step reads and never changes."""

    method: GradientStep | SolverStep
    objective: Objective
    val_fn: Callable | None
    key: Array | None
    settings: Settings = eqx.field(static=True)


class Best(eqx.Module):
    """The parameters with the lowest watched loss so far."""

    loss: Float[Array, ""]
    step: Int[Array, ""]
    params: PyTree


class TrainState(eqx.Module):
    """What a step changes; arrays only, hence what a checkpoint holds."""

    step: Int[Array, ""]
    status: Int[Array, ""]
    params: PyTree
    previous: PyTree
    opt_state: PyTree
    aux: PyTree
    best: Best | None


def init_state(task: Task, params: PyTree, batches: Callable | None) -> TrainState:
    """The state before the first step."""
    batch = None if batches is None else jax.eval_shape(batches, jnp.zeros((), jnp.int32))
    loss, aux = task.method.aux_struct(task.objective, params, batch, task.key)
    best = None
    if task.settings.track_best:
        watched = loss if task.val_fn is None else jax.eval_shape(lambda: _validation(task, params))
        best = Best(jnp.full((), jnp.inf, watched.dtype), jnp.zeros((), jnp.int32), params)
    opt_state = jax.tree.map(_strong, task.method.init(task.objective, params, task.key))
    aux = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), aux)
    return TrainState(jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32), params, params, opt_state, aux, best)


def scan_steps(
    task: Task, batches: Callable | None, state: TrainState, stop: Any, length: int
) -> tuple[TrainState, Array, Array]:
    """Take steps until ``state.step == stop``, at most ``length``; idle once the status is set.

    Returns the state, the losses (length,) and the validation losses (length,), NaN where there is none. Number and
    contents of the steps do not change the compiled body, so any division into blocks gives the same bits.
    """

    def step(state):
        return advance(task, batches, state)

    state, outputs = _vary_alike(step, state)

    def idle(state):
        return state, jax.tree.map(lambda x: vary_like(jnp.full((), jnp.nan, x.dtype), x), outputs)

    def body(state, _):
        active = (state.status == 0) & (state.step < stop)
        return lax.cond(active, step, idle, state)

    # XLA inlines a loop of one iteration, and the other fusions change the last bits.
    state, (losses, vals) = lax.scan(body, state, None, length=max(length, 2))
    return state, losses[:length], vals[:length]


def _vary_alike(step: Callable, state: TrainState) -> tuple[TrainState, Any]:
    """The state cast to vary over the mesh axes it varies over after a step, and the shapes of a step's outputs.

    Inside `shard_map` a loop's carry must have one type throughout. No axis more than needed: parameters that stay
    equal on all devices must remain provably so.
    """
    while True:
        after, outputs = jax.eval_shape(step, state)
        if all(
            varying_axes(b) <= varying_axes(a)
            for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True)
        ):
            return state, outputs
        state = jax.tree.map(vary_like, state, after)


def advance(task: Task, batches: Callable | None, state: TrainState) -> tuple[TrainState, tuple[Array, Array]]:
    """One step; the loss and validation loss are those of the parameters before the update."""
    batch = None if batches is None else batches(state.step)
    key = task.key
    if key is not None and isinstance(task.method, GradientStep):
        key = jax.random.fold_in(key, state.step)
    out = task.method.step(task.objective, state.params, state.opt_state, batch, key)
    finite = jnp.isfinite(out.loss)
    status = jnp.where(finite, out.status, int(FitStatus.NON_FINITE_LOSS)).astype(jnp.int32)
    best, val, stalled = _watch(task, state, out.loss)
    status = jnp.where((status == 0) & stalled, int(FitStatus.EARLY_STOP), status).astype(jnp.int32)
    kept = _keep_good(state, out, finite, status)
    new = TrainState(state.step + 1, status, kept[0], kept[1], kept[2], kept[3], best)
    # Optimizers may change weak types or promote; the carry of a loop may not.
    return jax.tree.map(_as_before, new, state), (out.loss, val)


def finish(task: Task, state: TrainState) -> tuple[PyTree, PyTree, Array]:
    """Final trainable arrays, auxiliary output and status."""
    params, aux = task.method.finish(task.objective, state.params, state.opt_state, state.aux, task.key)
    good = (state.status != FitStatus.NON_FINITE_LOSS) & (state.status != FitStatus.NON_FINITE_UPDATE)
    params, aux = select(good, params, state.params), select(good, aux, state.aux)
    return params, aux, jnp.where(state.status == 0, int(task.method.unfinished), state.status)


def _keep_good(state: TrainState, out: StepOutput, finite, status):
    """(params, previous, opt_state, aux): a bad loss goes back one step, a bad update stays where it is."""
    updated = finite & (status != FitStatus.NON_FINITE_UPDATE)
    params = select(updated, out.params, select(finite, state.params, state.previous))
    previous = select(finite, state.params, state.previous)
    return params, previous, select(updated, out.opt_state, state.opt_state), select(finite, out.aux, state.aux)


def _watch(task: Task, state: TrainState, loss):
    """The best parameters so far, the validation loss (NaN when not due), and whether patience has run out."""
    settings = task.settings
    val, due = jnp.full((), jnp.nan, loss.dtype), True
    if task.val_fn is not None:
        due = state.step % settings.val_every == 0
        struct = jax.eval_shape(lambda: _validation(task, state.params))
        val = lax.cond(
            due, lambda p: _validation(task, p), lambda _p: jnp.full((), jnp.nan, struct.dtype), state.params
        )
    if state.best is None:
        return None, val, False
    watched = loss if task.val_fn is None else val
    improved = watched < state.best.loss - settings.min_delta
    best = select(improved, Best(watched, state.step, state.params), state.best)
    if settings.patience is None:
        return best, val, False
    return best, val, due & (state.step - best.step >= settings.patience)


def _validation(task: Any, params):
    return as_scalar(task.val_fn(eqx.combine(params, task.objective.frozen)), "val_fn")


def select(condition: Array, new: PyTree, old: PyTree) -> PyTree:
    """``jnp.where`` leaf by leaf; typed PRNG keys included."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def _strong(leaf):
    leaf = jnp.asarray(leaf)
    return leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.extended) else lax.convert_element_type(leaf, leaf.dtype)


def _as_before(new, old):
    return new if new.dtype == old.dtype else lax.convert_element_type(new, old.dtype)
