"""Training driven from the host: progress, early stop, checkpoints, interruption."""

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import PyTree

from .batches import HostBatches, check_batches
from .checks import as_count
from .data_parallel import DataParallel
from .progress import progress_bar
from .result import FitResult
from .resume import Saver, run_identity
from .run import make_task
from .status import FitStatus
from .step import Task, TrainState, finish, init_state, scan_steps

# Compiled once per (loss_fn, optimizer, settings, shapes), whatever num_steps is; kept across calls.
_start = eqx.filter_jit(init_state)
_block = eqx.filter_jit(scan_steps)
_finish = eqx.filter_jit(finish)

_CAPACITY = 1000  # steps in a block at most; skipped ones cost about a microsecond each
_HOST_CAPACITY = 32  # the same when every batch of a block must be on the device at once
_SECONDS = 0.5  # aimed at per block, so that the bar moves and Ctrl-C answers


def fit(
    loss_fn: Callable[[PyTree, Any, Any], Any],
    params: PyTree,
    *,
    optimizer: Any,
    num_steps: int,
    key: Any = None,
    batches: Callable[[Any], Any] | Iterable[Any] | None = None,
    has_aux: bool = False,
    val_fn: Callable[[PyTree], Any] | None = None,
    val_every: int = 1,
    patience: int | None = None,
    min_delta: float = 0.0,
    track_best: bool = False,
    block_size: int | None = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_every: int | None = None,
    resume: bool = True,
    mesh: Mesh | None = None,
) -> FitResult:
    r"""Minimise ``loss_fn(params, batch, key)``: the scan of `run`, driven in compiled blocks from the host.

    Takes the same steps as `run` and adds what needs a host: a progress bar, checkpoints and resuming, Ctrl-C, and
    iterators of batches. How the steps are divided into blocks does not change the result.

    Parameters
    ----------
    loss_fn, params, optimizer, num_steps, key, has_aux, val_fn, val_every, patience, min_delta, track_best
        As in `run`. Pass the same ``loss_fn`` and ``optimizer`` objects again and nothing compiles again. Arrays that
        ``loss_fn`` closes over become constants of the program; those in an Equinox module or `jax.tree_util.Partial`
        are arguments.
    batches
        As in `run`, or an iterable of batches (pytrees of arrays, all of one shape) that live on the host: a list or a
        loader, gone through again and again, or an iterator, whose end is a status. A resumed run skips as many batches
        as it has taken: it repeats the original only if the iterable does.
    block_size
        Steps between two looks at the host; with an iterable, that many batches are on the device at once. None: about
        half a second's worth, at most 1000 (32 with an iterable).
    progress
        True, False, or None: a bar only when stderr is a terminal.
    checkpoint
        Folder for the file ``training.ckpt``, replaced atomically. If it holds this run, the run goes on from there and
        ends with the same bits as an uninterrupted one (same machine and versions). ``num_steps`` may be larger than
        before.
    checkpoint_every
        Steps between checkpoints; None: about a minute. One is written at the end and on Ctrl-C in any case.
    resume
        False: ignore and replace a checkpoint.
    mesh
        A `jax.sharding.Mesh`, of any shape, for data-parallel training: each device takes an equal part of every batch,
        and loss, gradient and floating ``aux`` are averaged, once per evaluation. The losses are those of one device to
        rounding, provided that ``loss_fn`` is an average over the samples (checked at the first step) and the batch
        size a multiple of the number of devices. Every device gets the same ``key``: numbers that ``loss_fn`` draws per
        sample repeat from device to device, so draw such numbers into the batch. If the devices belong to several
        processes, all must make the same call with the same data; process 0 writes the checkpoint, which all must be
        able to read.

    Returns
    -------
    A `FitResult`; ``result.status`` says how it ended, ``result.params`` are the last good parameters. Ctrl-C returns
    what there is, with `FitStatus.INTERRUPTED`.

    Raises
    ------
    TypeError, ValueError
        For arguments that cannot work, and for a checkpoint of another run.

    Notes
    -----
    Host overhead is about 0.3 ms per block. Not under ``jit``, ``vmap`` or ``grad``: use `run`. Whether ``loss_fn``
    itself changed since the checkpoint cannot be seen; its parameters, key, optimizer state and stopping rule are
    compared.
    """
    began = time.perf_counter()
    task, trainable = make_task(
        loss_fn, params, optimizer, key, batches, has_aux, val_fn, val_every, patience, min_delta, track_best
    )
    check_batches(batches, pure=False)
    _check_eager((trainable, task))
    num_steps = as_count(num_steps, "num_steps")
    every = None if checkpoint_every is None else as_count(checkpoint_every, "checkpoint_every")
    size = None if block_size is None else as_count(block_size, "block_size")
    saver = Saver(checkpoint, every, run_identity(task, trainable, batches) if checkpoint is not None else {})
    driver = _Driver(task, trainable, batches, size, saver, mesh)
    if resume:
        driver.resume()
    ending = driver.drive(num_steps, progress)
    return driver.result(ending, val_fn is not None, began)


class _Driver:
    """The host's side of one call of `fit`: the state, the history, and how many steps the next block takes."""

    def __init__(self, task: Task, trainable: PyTree, batches: Any, size: int | None, saver: Saver, mesh: Any):
        self.saver = saver
        self.source = None if batches is None or callable(batches) else HostBatches(batches)
        self.batches = batches
        self.fixed = size is not None
        self.capacity = size or (_CAPACITY if self.source is None else _HOST_CAPACITY)
        self.pace = size or 1
        example = batches if self.source is None else self.source.example()
        self.parallel = None if mesh is None else DataParallel(mesh, task, trainable, example)
        self.state: TrainState = self._place(_start(task, trainable, example))
        self.task: Task = self._place(task)
        self.history = np.zeros((2, 0))

    def _place(self, tree: Any) -> Any:
        return tree if self.parallel is None else self.parallel.place(tree)

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        self.state, self.history = self.saver.load(self.state, self.history)
        if self.source is not None:
            self.source.skip(int(self.state.step))

    def drive(self, num_steps: int, progress: bool | None) -> FitStatus | None:
        """Run blocks until done; returns a status that only the host knows, or None."""
        step, status, ending = int(self.state.step), int(self.state.status), None
        missing = np.full((2, max(num_steps - step, 0)), np.nan)
        self.history = np.concatenate([self.history, missing], axis=1)
        with progress_bar(num_steps, step, progress) as report:
            try:
                while status == 0 and step < num_steps:
                    if not self._one_block(step, num_steps):
                        ending = FitStatus.OUT_OF_BATCHES
                        break
                    step, status = int(self.state.step), int(self.state.status)
                    report(step, self.history[0, step - 1])
                    self._save()
            except KeyboardInterrupt:
                ending = FitStatus.INTERRUPTED
            self._save(now=True)
        return ending

    def _save(self, *, now: bool = False) -> None:
        if self.parallel is None or not self.parallel.spans_processes:
            self.saver.save(self.state, self.history, now=now)
        elif jax.process_index() == 0:  # one writer; all hold the same
            self.saver.save(self.parallel.gather(self.state), self.history, now=now)

    def _one_block(self, step: int, num_steps: int) -> bool:
        """Take one block of steps; False when the batches have ended."""
        count = min(self.pace, num_steps - step)
        if self.saver.every is not None:
            count = min(count, self.saver.every - step % self.saver.every)
        batches = self.batches
        if self.source is not None:
            batches, count = self.source.take(count, self.capacity, step)
            if count == 0:
                return False
        began = time.perf_counter()
        stop = jnp.asarray(step + count, jnp.int32)
        block = _block if self.parallel is None else self.parallel.block
        state, *new = block(self.task, batches, self.state, stop, self.capacity)
        taken = int(state.step) - step
        self.history[:, step : step + taken] = [np.asarray(values)[:taken] for values in new]
        if self.parallel is not None and step == 0:
            self.parallel.check_first(self.history[0, 0])
        self.state = state  # last, so that Ctrl-C before this line leaves the block undone
        self._adapt(taken, time.perf_counter() - began)
        return True

    def _adapt(self, taken: int, seconds: float) -> None:
        if self.parallel is not None and self.parallel.spans_processes:
            # Clocks differ between processes, and all must take the same blocks.
            self.pace = self.pace if self.fixed else min(self.capacity, 4 * self.pace)
        elif not self.fixed:
            aim = int(_SECONDS * taken / max(seconds, 1e-9))
            self.pace = max(1, min(self.capacity, aim, 4 * self.pace))

    def result(self, ending: FitStatus | None, validated: bool, began: float) -> FitResult:
        """The result of the call."""
        state = self.state if self.parallel is None else self.parallel.gather(self.state)
        task = self.task if self.parallel is None else self.parallel.gather(self.task)
        trainable, aux, code = _finish(task, state)
        frozen, best, step = task.objective.frozen, state.best, int(state.step)
        return FitResult(
            params=eqx.combine(trainable, frozen),
            best_params=None if best is None else eqx.combine(best.params, frozen),
            best_loss=None if best is None else float(best.loss),
            losses=self.history[0, :step],
            val_losses=self.history[1, :step] if validated else None,
            status=FitStatus(int(code)) if ending is None else ending,
            num_steps=step,
            opt_state=state.opt_state,
            aux=aux,
            elapsed=time.perf_counter() - began,
        )


def _check_eager(tree: PyTree) -> None:
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree)):
        msg = (
            "fit runs on the host and needs concrete arrays; received traced ones. Inside jit, vmap or grad use "
            "training.run."
        )
        raise TypeError(msg)
