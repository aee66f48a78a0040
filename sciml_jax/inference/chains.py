"""Markov chains in groups of one width, on one device, on several, or traced into a program."""

import concurrent.futures
import math
import os
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..core.tree import is_concrete
from ..equations.keys import as_key
from ..parallel import processes
from .chain_options import as_size, check_posterior, given_starts
from .chain_program import Programs, advance
from .chain_progress import chain_progress
from .chain_starts import begin, draw_starts
from .chain_store import GroupStore, identity
from .draws import Draws
from .kernel import AbstractKernel, Stage
from .posterior import Posterior

_BLOCKS = 20
"""Into how many blocks a run is cut, after each of which the host looks, reports and saves."""


def run_chains(
    post: Posterior,
    kernel: AbstractKernel,
    *,
    num_warmup: int,
    num_samples: int,
    num_chains: int,
    key: Any,
    init: PyTree,
    chains_per_group: int | None,
    devices: Any,
    progress: bool | None,
    checkpoint: str | os.PathLike | None,
) -> Draws:
    """Run a kernel's chains and gather the draws."""
    check_posterior(post)
    num_warmup = as_size(num_warmup, "num_warmup", 0)
    num_samples = as_size(num_samples, "num_samples", 1)
    num_chains = as_size(num_chains, "num_chains", 1)
    key = as_key(key, kernel.name)
    given = given_starts(init, post, num_chains)
    if not is_concrete((post, kernel, key, given)):
        if checkpoint is not None:
            msg = "inside jit, vmap or grad a run cannot keep a `checkpoint`; got one. Call the sampler outside."
            raise ValueError(msg)
        return _traced(post, kernel, num_warmup, num_samples, num_chains, key, given)
    began = time.perf_counter()
    everywhere = list(jax.devices() if devices is None else np.asarray(devices, object).ravel())
    width = as_size(chains_per_group or math.ceil(num_chains / len(everywhere)), "chains_per_group", 1)
    run = _Run(post, kernel, num_warmup, num_samples, num_chains, key, given, width, checkpoint)
    own = run.run_here(everywhere, progress)
    positions, stats, info = run.gather(own, everywhere)
    info["elapsed"] = time.perf_counter() - began
    return _draws(post, kernel, positions, stats, info, num_warmup)


def _traced(post, kernel, num_warmup, num_samples, num_chains, key, given) -> Draws:
    """The whole run as one pure program."""
    keys = _chain_keys(key, np.arange(num_chains))
    state = draw_starts(post, kernel, keys)[0] if given is None else begin(post, kernel, given)
    stages = _stages(kernel, num_warmup, num_warmup + num_samples)
    state, positions, stats = advance(post, kernel, keys, state, jnp.asarray(0), stages)
    return _draws(post, kernel, positions, stats, jax.vmap(kernel.tuned)(state), num_warmup)


def _draws(post, kernel, positions, stats, info, num_warmup) -> Draws:
    """Split the warmup off."""
    kept = {name: value[:, num_warmup:] for name, value in stats.items()}
    for name in ("diverging", "failed"):
        if name in stats:
            info[f"warmup_{name}"] = stats[name][:, :num_warmup].sum(axis=1)
    info |= {"num_warmup": num_warmup, **kernel.limits}
    return Draws(post, positions[:, num_warmup:], method=kernel.name, stats=kept, info=info)


def _chain_keys(key: Any, chains: np.ndarray) -> Any:
    return jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.asarray(chains, jnp.uint32))


def _stages(kernel: AbstractKernel, num_warmup: int, total: int) -> Stage:
    slow, ends = kernel.schedule(num_warmup)
    fill = np.zeros(total - num_warmup, bool)
    warmup = np.arange(total) < num_warmup
    return Stage(*(jnp.asarray(x) for x in (warmup, np.append(slow, fill), np.append(ends, fill))))


class _Run:
    """One eager run."""

    def __init__(self, post, kernel, num_warmup, num_samples, num_chains, key, given, width, checkpoint):
        self.post, self.kernel, self.key, self.given = post, kernel, key, given
        self.num_chains, self.width = num_chains, width
        self.total = num_warmup + num_samples
        self.block = math.ceil(self.total / min(_BLOCKS, self.total))
        self.num_blocks = math.ceil(self.total / self.block)
        self.num_groups = math.ceil(num_chains / width)
        self.num_warmup, self.checkpoint = num_warmup, checkpoint
        self.stages = _stages(kernel, num_warmup, self.num_blocks * self.block)
        self.programs = Programs(post, kernel)

    def run_here(self, everywhere: list, progress: bool | None) -> dict[int, tuple]:
        """Run the groups of this process, one thread per device; positions, stats and what was tuned, by group."""
        here = [device for device in everywhere if device.process_index == jax.process_index()]
        groups: dict[Any, list[int]] = {device: [] for device in here}
        for group in range(self.num_groups):
            device = everywhere[group % len(everywhere)]
            if device in groups:
                groups[device].append(group)
        busy = {device: mine for device, mine in groups.items() if mine}
        found: dict[int, tuple] = {}
        total = sum(len(mine) for mine in busy.values()) * self.num_blocks * self.block
        with chain_progress(total, progress) as report:
            if len(busy) <= 1:
                for device, mine in busy.items():
                    found |= self._run_on(device, mine, report)
                return found
            with concurrent.futures.ThreadPoolExecutor(len(busy)) as pool:
                for done in [pool.submit(self._run_on, device, mine, report) for device, mine in busy.items()]:
                    found |= done.result()
        return found

    def gather(self, own: dict[int, tuple], everywhere: list) -> tuple:
        """Positions, stats and what was tuned of all chains, in their order."""
        if len({device.process_index for device in everywhere}) > 1:
            like = jax.tree.structure((0, {name: 0 for name in own[min(own)][1]}, {n: 0 for n in own[min(own)][2]}))
            flat = [(np.asarray(group), *jax.tree.leaves(own[group])) for group in sorted(own)]
            padded = processes.gather((np.asarray(len(flat)), *[leaf for entry in flat for leaf in entry]))
            own = _unpack(padded, like)
        ordered = [own[group] for group in range(self.num_groups)]
        return jax.tree.map(lambda *leaves: jnp.asarray(np.concatenate(leaves)[: self.num_chains]), *ordered)

    def _run_on(self, device: Any, groups: list[int], report: Any) -> dict[int, tuple]:
        x64 = jax.dtypes.canonicalize_dtype(np.float64) == np.float64
        with jax.default_device(device), jax.enable_x64(x64):
            arrays = self.programs.put(device)
            return {group: self._run_group(group, arrays, device, report) for group in groups}

    def _run_group(self, group: int, arrays: Any, device: Any, report: Any) -> tuple:
        # The last group is filled up with its own first chains' successors, whose draws are dropped.
        chains = group * self.width + np.arange(self.width)
        keys = jax.device_put(_chain_keys(self.key, chains), device)
        positions = None if self.given is None else self.given[np.minimum(chains, self.num_chains - 1)]
        state, good = self.programs.begin(arrays, keys, positions)
        self._check_starts(np.asarray(good), chains)
        store = None
        if self.checkpoint is not None:
            stages = self._block_stages(0)
            text = self.programs.text(arrays, keys, state, jnp.asarray(0), stages)
            store = GroupStore(self.checkpoint, group, identity(self, text, arrays))
        blocks = []
        for b in range(self.num_blocks):
            done = None if store is None else store.load(b)
            if done is None:
                first = jnp.asarray(b * self.block)
                state, positions, stats = self.programs.advance(arrays, keys, state, first, self._block_stages(b))
                done = jax.device_get((positions, stats))
                if store is not None:
                    store.save(b, done, state)
            elif store is not None and (b + 1 == self.num_blocks or not store.has(b + 1)):
                state = store.load_state(b, state)
            blocks.append(done)
            report(self.block, done[1])
        cut = lambda *leaves: np.concatenate(leaves, axis=1)[:, : self.total]
        positions, stats = jax.tree.map(cut, *blocks)
        return positions, stats, jax.device_get(jax.vmap(self.kernel.tuned)(state))

    def _block_stages(self, b: int) -> Stage:
        return Stage(*(part[b * self.block : (b + 1) * self.block] for part in self.stages))

    def _check_starts(self, good: np.ndarray, chains: np.ndarray) -> None:
        bad = [int(chain) for chain, fine in zip(chains, good, strict=True) if not fine and chain < self.num_chains]
        if not bad:
            return
        how = "`init` gives" if self.given is not None else "32 draws from the priors give"
        msg = (
            f"every chain must start where the density is finite; for chains {bad} {how} none (the solve fails, or the "
            "likelihood is zero). Pass an `init=` that works, tighten the priors, or look at "
            "post.log_likelihood(post.sample_prior(0))."
        )
        raise ValueError(msg)


def _unpack(gathered: list, like: Any) -> dict[int, tuple]:
    """Undo what `gather` packs."""
    found = {}
    for count, *leaves in gathered:
        size = len(leaves) // int(count) if int(count) else 1
        for i in range(int(count)):
            group, *rest = leaves[i * size : (i + 1) * size]
            found[int(group)] = jax.tree.unflatten(like, rest)
    return found
