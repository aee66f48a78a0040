"""One call of `ensemble` in one process: order the members, run the chunks, put the results together."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from ..core.status import Status
from .dispatch import Dispatcher
from .members import Members
from .plan import Chunk, pilot_members, split
from .predict_cost import predict
from .program import ChunkOutput, Program, host_struct
from .reductions import AbstractReduction
from .resume import ChunkStore


class Collector:
    """The results of the chunks: outputs in the order of the members, or reductions merged in the order of chunks."""

    def __init__(self, program: Program, num_members: int, reductions: tuple[AbstractReduction, ...]):
        struct = host_struct(program.out_struct)
        self._reductions = reductions
        self.status = np.zeros(num_members, np.int32)
        self.steps = None if struct.steps is None else np.zeros(num_members, np.int64)
        self.values: PyTree = None
        self.states: tuple | None = None
        if not reductions:
            self.values = jax.tree.map(lambda s: np.empty((num_members, *s.shape[1:]), s.dtype), struct.payload)
        elif num_members == 0:
            self.states = self._load(jax.tree.map(lambda s: np.zeros(s.shape, s.dtype), struct.payload))
        self._waiting: dict[int, Callable[[], int]] = {}
        self._next = 0

    def add(self, chunk: Chunk, output: ChunkOutput) -> int:
        """Take in a chunk that has run; returns how many such chunks need no more memory of their own."""
        if not self._reductions:
            self._note(chunk, output)
            return 1
        self._waiting[chunk.index] = lambda: self._note(chunk, output)
        return self._merge_in_order()

    def add_kept(self, chunk: Chunk, read: Callable[[int], ChunkOutput]) -> None:
        """Take in a chunk on disk: read at once, or, with reductions, when its turn comes."""
        if self._reductions:
            self._waiting[chunk.index] = lambda: 0 * self._note(chunk, read(chunk.index))
            self._merge_in_order()
        else:
            self._note(chunk, read(chunk.index))

    def _merge_in_order(self) -> int:
        """Merge what is next in the order of the chunks: the order is part of the last bits of the result."""
        settled = 0
        while self._next in self._waiting:
            settled += self._waiting.pop(self._next)()
            self._next += 1
        return settled

    def _note(self, chunk: Chunk, output: ChunkOutput) -> int:
        count = len(chunk.members)
        self.status[chunk.members] = output.status[:count]
        if self.steps is not None:
            self.steps[chunk.members] = output.steps[:count]
        if self._reductions:
            new = self._load(output.payload)
            self.states = new if self.states is None else self._merge(self.states, new)
        else:
            for whole, part in zip(jax.tree.leaves(self.values), jax.tree.leaves(output.payload), strict=True):
                whole[chunk.members] = part[:count]
        return 1

    def _load(self, payload: tuple) -> tuple:
        return tuple(r.load(summary) for r, summary in zip(self._reductions, payload, strict=True))

    def _merge(self, a: tuple, b: tuple) -> tuple:
        return tuple(r.merge(x, y) for r, x, y in zip(self._reductions, a, b, strict=True))


class Driver:
    """Runs the members of this process.

    Attributes
    ----------
    collector
        What has come back.
    num_chunks, num_resumed
        Chunks run or read, and those read.
    """

    def __init__(
        self,
        program: Program,
        members: Members,
        devices: list[Any],
        reductions: tuple[AbstractReduction, ...],
        store: ChunkStore | None,
        report: Callable[[int, int], None],
    ):
        self._program, self._members, self._store, self._report = program, members, store, report
        self._dispatcher = Dispatcher(program, members, devices)
        self.collector = Collector(program, len(members), reductions)
        # NumPy leaves, so that what is read back stays on the host.
        self._like = jax.tree.map(lambda s: np.empty(s.shape, s.dtype), host_struct(program.out_struct))
        self.num_chunks = self.num_resumed = 0

    def run(self, cost: np.ndarray | None) -> None:
        """Run all members, the expensive ones first and beside their like, as far as costs are known."""
        num_members, lanes = len(self._members), self._program.lanes
        order = None if self._store is None else self._store.load_order(num_members)
        if order is None:
            order = self._order(cost)
            if self._store is not None:
                self._store.save_order(order)
        self._execute(split(order, lanes)[self.num_chunks :])

    def _order(self, cost: np.ndarray | None) -> np.ndarray:
        num_members, lanes = len(self._members), self._program.lanes
        if cost is not None:
            return np.argsort(-cost, kind="stable")
        features = self._members.features()
        pilot = pilot_members(num_members, lanes)
        if self.collector.steps is None or features is None or len(pilot) == 0:
            return np.arange(num_members)
        self._execute(split(pilot, lanes), compile_all=True)
        predicted = predict(features, pilot, self.collector.steps[pilot])
        others = np.setdiff1d(np.arange(num_members), pilot)
        if predicted is not None:
            others = others[np.argsort(-predicted[others], kind="stable")]
        return np.concatenate([pilot, others])

    def _execute(self, chunks: list[Chunk], *, compile_all: bool = False) -> None:
        chunks = [Chunk(self.num_chunks + i, chunk.members) for i, chunk in enumerate(chunks)]
        self.num_chunks += len(chunks)
        missing = []
        for chunk in chunks:
            if self._store is None or not self._store.has(chunk.index):
                missing.append(chunk)
                continue
            self.num_resumed += 1
            self.collector.add_kept(chunk, self._read)
            self._report(len(chunk.members), 0)
        self._dispatcher.run(missing, self._finished, compile_all=compile_all)

    def _read(self, index: int) -> ChunkOutput:
        assert self._store is not None
        return self._store.load(index, self._like)

    def _finished(self, chunk: Chunk, output: ChunkOutput) -> int:
        if self._store is not None:
            self._store.save(chunk.index, output)
        codes = output.status[: len(chunk.members)]
        failed = np.sum((codes != int(Status.SUCCESS)) & (codes != int(Status.EVENT)))
        self._report(len(chunk.members), int(failed))
        return self.collector.add(chunk, output)
