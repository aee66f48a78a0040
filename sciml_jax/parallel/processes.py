"""Several processes: which members each one runs, and the gather at the end."""

import json
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

_BLOCK = 64 * 2**20
"""Bytes that a process sends at a time: what is gathered passes through device memory."""


def shares(num_members: int, devices: list[Any], cost: np.ndarray | None) -> list[np.ndarray]:
    """The members of every process, in proportion to its devices, the same on all of them.

    Dealt out like cards: by falling cost where it is known, else in a fixed shuffled order, so that no regularity of
    the batch gives one process the expensive members.
    """
    owners = np.array([device.process_index for device in devices])
    if len(set(owners)) == 1:
        return [np.arange(num_members)]
    shuffled = np.random.default_rng(0).permutation(num_members)
    order = shuffled if cost is None else np.argsort(-cost, kind="stable")
    dealt = owners[np.arange(num_members) % len(owners)]
    return [np.sort(order[dealt == process]) for process in sorted(set(owners))]


def gather(tree: PyTree) -> list[PyTree]:
    """The trees of all processes, in their order.

    Every process must call it. Arrays may differ in shape between processes; the structure of the tree may not.
    """
    leaves, treedef = jax.tree_util.tree_flatten(tree)
    header = json.dumps([[np.dtype(leaf.dtype).name, list(leaf.shape)] for leaf in leaves]).encode()
    body = b"".join(np.ascontiguousarray(leaf).tobytes() for leaf in leaves)
    own = np.frombuffer(len(header).to_bytes(8, "little") + header + body, np.uint8)
    return [jax.tree_util.tree_unflatten(treedef, _decode(raw)) for raw in _gather_bytes(own)]


def _gather_bytes(own: np.ndarray) -> list[np.ndarray]:
    from jax.experimental import multihost_utils

    # Two words of 31 bits: without x64 there are no longer integers.
    words = multihost_utils.process_allgather(np.array(divmod(len(own), 2**31), np.int32))
    lengths = [int(high) * 2**31 + int(low) for high, low in np.asarray(words)]
    received = [np.zeros(length, np.uint8) for length in lengths]
    longest = max(lengths)
    for start in range(0, longest, _BLOCK):
        size = min(_BLOCK, longest - start)
        block = np.zeros(size, np.uint8)
        part = own[start : start + size]
        block[: len(part)] = part
        for mine, theirs in zip(received, np.asarray(multihost_utils.process_allgather(block)), strict=True):
            mine[start : start + size] = theirs[: max(len(mine) - start, 0)]
    return received


def _decode(raw: np.ndarray) -> list[Any]:
    data = raw.tobytes()
    start = 8 + int.from_bytes(data[:8], "little")
    leaves = []
    for name, shape in json.loads(data[8:start]):
        dtype = jax.numpy.dtype(name)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        leaves.append(np.frombuffer(data[start : start + size], dtype).reshape(shape))
        start += size
    return leaves
