"""Training as a pure function."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .batches import check_batches
from .checks import as_count, as_key, check_callable, optimizer_kind, split_params
from .gradient_step import GradientStep
from .objective import Objective
from .quasi_newton import SolverStep
from .result import RunResult
from .step import Settings, Task, finish, init_state, scan_steps


def run(
    loss_fn: Callable[[PyTree, Any, Any], Any],
    params: PyTree,
    *,
    optimizer: Any,
    num_steps: int,
    key: Any = None,
    batches: Callable[[Any], Any] | None = None,
    has_aux: bool = False,
    val_fn: Callable[[PyTree], Any] | None = None,
    val_every: int = 1,
    patience: int | None = None,
    min_delta: float = 0.0,
    track_best: bool = False,
) -> RunResult:
    r"""Minimise ``loss_fn(params, batch, key)`` in one `jax.lax.scan`, without host code.

    $\theta_{k+1} = \theta_k + u(\nabla_\theta L(\theta_k, \mathrm{batch}_k, \mathrm{key}_k))$ for $k = 0 \dots$
    ``num_steps`` - 1, where ``optimizer`` defines $u$, $\mathrm{batch}_k$ = ``batches(k)`` and $\mathrm{key}_k$ =
    ``fold_in(key, k)``. Composes under ``jit``, ``vmap`` (many seeds or starts at once) and ``grad`` (through the whole
    training, with respect to the start, the data or a learning rate).

    Parameters
    ----------
    loss_fn
        ``(params, batch, key) -> loss``, or ``-> (loss, aux)`` with ``has_aux``; the loss has shape (). With a
        least-squares solver the loss is replaced by a pytree of residuals $r$, and $\tfrac12\sum r^2$ is minimised.
        ``aux`` is a pytree of arrays.
    params
        Any pytree, Equinox modules included. Its floating and complex arrays are trained; everything else, Python
        numbers and what is in a `Frozen` too, stays as it is.
    optimizer
        An Optax transformation (`optax.adam(1e-3)`, `optax.lbfgs()`, chains and schedules), or an Optimistix minimiser
        or least-squares solver (`optimistix.BFGS(rtol, atol)`, `optimistix.LevenbergMarquardt(rtol, atol)`); the latter
        stop by themselves, take no batches and call ``loss_fn(params, None, key)`` with the same key at every step.
    num_steps
        Steps to take at most.
    key
        Integer seed or PRNG key; None is handed on as None.
    batches
        None (``loss_fn`` receives None) or a function ``step -> batch`` that JAX can trace; see `minibatches`.
    has_aux
        Whether ``loss_fn`` returns a pair.
    val_fn
        ``params -> validation loss``, shape (), evaluated at steps that are multiples of ``val_every``.
    val_every
        Steps between validations.
    patience
        Stop when the watched loss (validation loss if there is one, else training loss) has not fallen below its best
        by more than ``min_delta`` for this many steps. None: never.
    min_delta
        Smallest fall that counts as an improvement.
    track_best
        Keep the best parameters without ``patience`` or ``val_fn`` too.

    Returns
    -------
    A `RunResult`. A NaN or infinite loss, gradient or update freezes the run with the last good parameters and a
    status; nothing raises.

    Raises
    ------
    TypeError, ValueError
        At trace time, for arguments that cannot work; the message states the rule, what was received and the fix.

    Notes
    -----
    Memory: the state of the optimizer, two copies of the parameters (three with ``best_params``). Reverse mode through
    the run stores every step: wrap ``loss_fn`` in `jax.checkpoint` when that is too much. Do not differentiate through
    `optax.lbfgs` and the Optimistix solvers: reverse mode refuses their loops, and forward mode through a line search
    gave wrong derivatives when tried; `optimistix.minimise` has implicit ones.

    `optax.lbfgs` reuses the value and gradient of its line search when there are no batches, key and aux, and evaluates
    them twice per step otherwise. Optimistix's trust regions (`LevenbergMarquardt`, `Dogleg`) refuse float32 parameters
    while ``jax_enable_x64`` is on. Inside ``vmap`` a lane that has stopped is still computed, and discarded.

    A compiled run cannot be interrupted, saved or watched, and takes no iterators of host batches: use `fit` for those.
    """
    task, trainable = make_task(
        loss_fn, params, optimizer, key, batches, has_aux, val_fn, val_every, patience, min_delta, track_best
    )
    check_batches(batches, pure=True)
    num_steps = as_count(num_steps, "num_steps")
    state = init_state(task, trainable, batches)
    state, losses, vals = scan_steps(task, batches, state, num_steps, num_steps)
    trainable, aux, status = finish(task, state)
    frozen = task.objective.frozen
    best = state.best
    return RunResult(
        params=eqx.combine(trainable, frozen),
        best_params=None if best is None else eqx.combine(best.params, frozen),
        best_loss=None if best is None else best.loss,
        losses=losses,
        val_losses=None if val_fn is None else vals,
        status=status,
        num_steps=state.step,
        opt_state=state.opt_state,
        aux=aux,
    )


def make_task(
    loss_fn, params, optimizer, key, batches, has_aux, val_fn, val_every, patience, min_delta, track_best
) -> tuple[Task, PyTree]:
    """Check the arguments that `run` and `fit` share and gather them."""
    check_callable(loss_fn, "loss_fn", "(params, batch, key) -> loss")
    if val_fn is not None:
        check_callable(val_fn, "val_fn", "(params) -> loss")
    trainable, frozen = split_params(params)
    key = as_key(key)
    kind = optimizer_kind(optimizer)
    if kind == "optax":
        method = GradientStep(optimizer, deterministic=batches is None and key is None)
    else:
        if batches is not None:
            msg = (
                f"{type(optimizer).__name__} minimises one fixed function, so batches must be None; received "
                f"{type(batches).__name__}. "
                "Close loss_fn over the whole data, or use an Optax optimizer."
            )
            raise TypeError(msg)
        if any(jnp.iscomplexobj(leaf) for leaf in jax.tree.leaves(trainable)):
            msg = (
                f"{type(optimizer).__name__} needs real parameters; received complex arrays. Split them into real and "
                "imaginary parts."
            )
            raise TypeError(msg)
        method = SolverStep(optimizer, residuals=kind == "least_squares")
    if min_delta < 0 or min_delta != min_delta:
        msg = f"min_delta must be at least 0; received {min_delta!r}. Use min_delta=0.0."
        raise ValueError(msg)
    patience = None if patience is None else as_count(patience, "patience")
    keep = bool(track_best or patience is not None or val_fn is not None)
    settings = Settings(patience, float(min_delta), as_count(val_every, "val_every"), keep)
    return Task(method, Objective(loss_fn, frozen, has_aux), val_fn, key, settings), trainable
