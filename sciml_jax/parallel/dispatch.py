"""Chunks on devices: one thread and one independent program per device, all drawing from one list."""

import collections
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from .members import Members
from .plan import Chunk, padded
from .program import ChunkOutput, Program, fetch

IN_FLIGHT = 64
"""Chunks that may be under way or finished but not yet merged: bounds the memory of a reduction."""

_DONE = object()


class Dispatcher:
    """Runs chunks on devices.

    A device takes the next chunk when it is free, so that fast devices do more. Threads, because a CPU device computes
    in the thread that calls it; JAX lets go of Python's lock meanwhile. There are no collectives: no device waits for
    another.
    """

    def __init__(self, program: Program, members: Members, devices: Sequence[Any]):
        self._program, self._members, self._devices = program, members, list(devices)

    def run(
        self, chunks: list[Chunk], collect: Callable[[Chunk, ChunkOutput], int], *, compile_all: bool = False
    ) -> None:
        """Run `chunks` in order; `collect(chunk, output)` runs in this thread and returns how many chunks are settled.

        With `compile_all` the devices that get no chunk compile meanwhile, because more chunks will follow.
        An exception of a device's thread, or Ctrl-C, stops all of them after their current chunk and is raised here.
        """
        if not chunks:
            return
        devices = self._devices if compile_all else self._devices[: len(chunks)]
        job = _Job(chunks, max(IN_FLIGHT, 4 * len(devices)))
        compilers = [self._program.lower(device) for device in devices]
        threads = [
            threading.Thread(target=self._work, args=(job, compiler, int(device.platform != "cpu")), daemon=True)
            for compiler, device in zip(compilers, devices, strict=True)
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in chunks:
                chunk, output = job.finished.get()
                if chunk is _DONE:
                    raise output
                job.settle(collect(chunk, output))
        finally:
            job.stop()
            for thread in threads:
                thread.join()

    def _work(self, job: "_Job", compiler: Callable, depth: int) -> None:
        """One device: compile, then start chunks and deliver them, up to `depth` behind the last that started."""
        try:
            start = compiler()
            running: collections.deque = collections.deque()
            while True:
                chunk = job.take(wait=not running)
                if chunk is not None:
                    lanes = self._members.take(padded(chunk.members, self._program.lanes))
                    running.append((chunk, start(lanes, len(chunk.members))))
                if running and (chunk is None or len(running) > depth):
                    done, output = running.popleft()
                    job.finished.put((done, fetch(output)))
                elif chunk is None:
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            job.finished.put((_DONE, error))


class _Job:
    """The list of chunks that the threads share."""

    def __init__(self, chunks: list[Chunk], slots: int):
        self.finished: queue.SimpleQueue = queue.SimpleQueue()
        self._chunks = iter(chunks)
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(slots)
        self._stopped = False

    def take(self, *, wait: bool) -> Chunk | None:
        """The next chunk; None when there is none left, or, without `wait`, none may start yet."""
        if not self._slots.acquire(blocking=wait):
            return None
        with self._lock:
            chunk = None if self._stopped else next(self._chunks, None)
        if chunk is None:
            self._slots.release()
        return chunk

    def settle(self, count: int) -> None:
        """Let `count` more chunks start."""
        if count:
            self._slots.release(count)

    def stop(self) -> None:
        """No further chunk starts."""
        with self._lock:
            self._stopped = True
        self._slots.release()
