"""A function for every member of a batch, on one device or many."""

import hashlib
import os
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.core
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..core.callables import as_callable, closes_over_tracer
from . import processes
from .driver import Collector, Driver
from .members import Members
from .placement import local_devices, pick_devices
from .plan import auto_chunk_size, check_chunk_size
from .predict_cost import given_cost
from .program import Program, restore_keys
from .progress import progress_bar
from .reductions import AbstractReduction
from .result import EnsembleResult
from .resume import ChunkStore


def ensemble(
    fn: Callable[[Any], PyTree],
    inputs: PyTree,
    *,
    devices: Any = None,
    mesh: jax.sharding.Mesh | None = None,
    chunk_size: int | str = "auto",
    cost: Callable[[Any], Any] | Float[Array, " members"] | None = None,
    reduce: Any = None,
    progress: bool | None = False,
    checkpoint: str | os.PathLike | None = None,
) -> EnsembleResult:
    r"""Compute $y_i = f(x_i)$ for all members $i$ of a batch.

    Like ``jax.vmap(fn)(inputs)``, where a batch of adaptive solves takes as long as its slowest member at every step
    and stays on one device. Here the members are sorted by predicted cost, cut into chunks of equals, and dealt to the
    devices one chunk at a time; every device runs its own compiled ``vmap(fn)``, and no device waits for another.

    Parameters
    ----------
    fn
        One member's input to its outputs: any pytree of arrays, `Solution` objects included. Must be traceable by JAX;
        a solve in it does not raise but returns its status.
    inputs
        Pytree of arrays with leading axis N, the members. Typed PRNG keys are fine.
    devices
        JAX devices to use. None: all of ``jax.devices()``, those of other processes included.
    mesh
        The same, as a `jax.sharding.Mesh` of any shape.
    chunk_size
        Members per compiled call. "auto": 128 on CPUs and 65,536 on accelerators, fewer where inputs and outputs of a
        chunk would exceed 4 MiB (512 MiB), then evened out so that all devices get as many chunks.
    cost
        What a member costs, in any unit: a function of one input, or an array (N,). None: when the outputs count their
        steps (`sol.stats.num_steps`), about 64 members spread over the batch run first, and the others' costs are
        predicted from their inputs (ridge regression or nearest neighbours, whichever does better on left-out
        members); otherwise the order stays.
    reduce
        `mean`, `variance`, `quantiles`, an `AbstractReduction` of your own, or a tuple, list or dict of them. Outputs
        are then summarised chunk by chunk and not kept.
    progress
        True draws a bar on stderr; None does when stderr is a terminal.
    checkpoint
        Folder in which every finished chunk is kept. When it holds this ensemble already, only the missing chunks run,
        and the result has the bits of an uninterrupted one (same machine and versions).

    Returns
    -------
    An `EnsembleResult`: ``values`` (or ``reduced``) in the order of the inputs, and ``failures``, the members whose
    status is a failure, with the status. A failure changes no other member and is left out of reductions. Outputs
    without a status fail where they hold a NaN.

    Raises
    ------
    TypeError, ValueError
        For inputs without a common leading axis, tracers, unknown devices and options, and a checkpoint of another
        ensemble (inputs, program, options or jax version). What ``fn`` raises while it is traced propagates.

    Notes
    -----
    One compilation per device and call signature; a second call with the same ``fn`` compiles nothing. Memory: the
    inputs and outputs on the host, one or two chunks per device; with ``reduce``, up to 64 chunk summaries beside the
    inputs (for `quantiles`, a summary holds the chunk's values). Results are NumPy arrays, because they may exceed a
    device. The last chunk is filled up with a repeated member, whose results are dropped.

    A member's last bits may depend on the chunk size, as with `vmap`. A member that would never finish is bounded by
    ``max_steps`` and returns that status.

    With several processes (`initialize`) all must make the same call: each runs its share on its own devices, and the
    results are gathered once, at the end, on every process; inside a solve there is no communication. Checkpoints then
    go to a subfolder per process and need the same number of processes again.

    Not inside ``jit``, ``vmap`` or ``grad``: use ``jax.vmap(fn)`` there (``fn`` itself may differentiate). Not for a
    batch that fits one chunk and whose members cost the same: ``jax.jit(jax.vmap(fn))`` does as well.
    """
    began = time.perf_counter()
    fn = as_callable(fn, "fn", "member")
    _check_eager(fn)
    members = Members.of(inputs)
    rules, rebuild_rules = _reductions(reduce)
    everywhere = pick_devices(devices, mesh)
    here = local_devices(everywhere)
    lanes = check_chunk_size(chunk_size)
    costs = given_cost(cost, members)
    parts = processes.shares(len(members), everywhere, costs)
    shared = len(parts) > 1
    own = parts[jax.process_index()] if shared else parts[0]
    folder = checkpoint
    if checkpoint is not None and shared:
        folder = os.path.join(os.fspath(checkpoint), f"process-{jax.process_index()}-of-{len(parts)}")
    store = None if folder is None else ChunkStore(folder)

    mine = members.take(own) if shared else members
    program = _program(fn, mine, lanes or (store and store.chunk_size()), rules, here)
    if store is not None:
        store.open(_identity(program, mine, chunk_size, costs), program.lanes)
    with progress_bar(len(mine), progress) as report:
        driver = Driver(program, mine, here, rules, store, report)
        driver.run(costs[own] if costs is not None else None)
    collector, counts = driver.collector, np.array([driver.num_chunks, driver.num_resumed])
    if shared:
        counts = _gather(collector, counts, rules, parts)
    finished = tuple(rule.finish(state) for rule, state in zip(rules, collector.states or (), strict=True))
    return EnsembleResult(
        values=None if rules else restore_keys(collector.values, program.out_struct.payload),
        reduced=rebuild_rules(finished) if rules else None,
        status=collector.status,
        num_chunks=int(counts[0]),
        num_resumed=int(counts[1]),
        chunk_size=program.lanes,
        elapsed=time.perf_counter() - began,
    )


def _program(fn: Callable, members: Members, lanes: int | None, rules: tuple, devices: list) -> Program:
    """The program of a chunk, of the size that is asked for or that suits the members."""

    def of(lanes: int) -> Program:
        return Program(fn, members, min(lanes, max(len(members), 1)), rules)

    def auto(program: Program | None) -> int:
        size = members.member_bytes() + (0 if program is None else program.member_bytes())
        return auto_chunk_size(len(members), len(devices), devices[0].platform, size)

    if lanes is not None:
        return of(lanes)
    # Traced for the size that suits small outputs, and again only if they turn out to be large.
    program = of(auto(None))
    lanes = auto(program)
    return program if lanes >= program.lanes else of(lanes)


def _gather(collector: Collector, counts: np.ndarray, rules: tuple, parts: list[np.ndarray]) -> np.ndarray:
    """Exchange what the processes have found: fill `collector` with that of all; returns the summed counts."""
    states = tuple(rule.pack(state) for rule, state in zip(rules, collector.states or (), strict=True))
    everyone = processes.gather((jax.tree.leaves(collector.values), collector.status, states, counts))
    total = sum(len(part) for part in parts)
    collector.status = np.zeros(total, np.int32)
    own = collector.values
    collector.values = jax.tree.map(lambda leaf: np.empty((total, *leaf.shape[1:]), leaf.dtype), own)
    merged: list[Any] = [None] * len(rules)
    for part, (values, status, packed, _) in zip(parts, everyone, strict=True):
        collector.status[part] = status
        for whole, piece in zip(jax.tree.leaves(collector.values), values, strict=True):
            whole[part] = piece
        for i, rule in enumerate(rules):
            state = rule.unpack(packed[i])
            merged[i] = state if merged[i] is None else rule.merge(merged[i], state)
    collector.states = tuple(merged) if rules else None
    return np.sum([found[3] for found in everyone], axis=0)


def _identity(program: Program, members: Members, chunk_size: Any, costs: np.ndarray | None) -> dict:
    """What makes two calls the same ensemble; the program's text contains `fn`, the reductions and the versions."""
    return {
        "inputs": members.digest(),
        "program": program.digest(),
        "chunk_size": chunk_size if isinstance(chunk_size, str) else int(chunk_size),
        "cost": "predicted" if costs is None else f"given, {hashlib.sha256(costs.tobytes()).hexdigest()[:16]}",
        "jax": jax.__version__,
    }


def _reductions(reduce: Any) -> tuple[tuple[AbstractReduction, ...], Callable[[tuple], Any]]:
    """The reductions as a flat tuple, and how to put their results into the structure that was given."""
    if reduce is None:
        return (), lambda finished: finished
    rules, treedef = jax.tree_util.tree_flatten(reduce, is_leaf=lambda node: isinstance(node, AbstractReduction))
    wrong = [rule for rule in rules if not isinstance(rule, AbstractReduction)]
    if wrong or not rules:
        what = f"{wrong[0]!r} ({type(wrong[0]).__name__})" if wrong else "none"
        msg = (
            f"`reduce` must be a reduction, or a tuple, list or dict of them; got {what}. Pass, for example, "
            "parallel.mean() or (parallel.mean(), parallel.variance())."
        )
        raise TypeError(msg)
    return tuple(rules), lambda finished: jax.tree_util.tree_unflatten(treedef, finished)


def _check_eager(fn: Any) -> None:
    leaves = jax.tree_util.tree_leaves(fn)
    if closes_over_tracer(fn) or any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        msg = (
            "`ensemble` runs on the host; `fn` holds traced values. Inside jit, vmap or grad use jax.vmap(fn); to "
            "differentiate every member, let `fn` return its gradient."
        )
        raise TypeError(msg)
