"""How many members go into a chunk, and which."""

import math
from typing import Any, NamedTuple

import numpy as np

CPU_LANES = 128
"""Members per chunk on a CPU: between 32 and 256 the time per member is flat; above, the state falls out of cache."""

MANY_CHUNKS = 32
"""More chunks than this per device are too many on a CPU: twice the members then, because the host's work per chunk
(0.2 ms) shows with cheap members, and neither the pilot nor the last chunk is a large share of so many."""

ACCELERATOR_LANES = 65536
"""Members per chunk on a GPU or TPU, which needs thousands of lanes to be busy."""

CPU_BYTES, ACCELERATOR_BYTES = 4 * 2**20, 512 * 2**20
"""Inputs and outputs of one chunk at most, where members are large."""

VECTOR = 8
"""Chunks are rounded up to whole vector registers."""

PILOT_MEMBERS = 64
"""Members whose step counts predict those of the others."""


class Chunk(NamedTuple):
    """Members that run together."""

    index: int
    members: np.ndarray
    """Positions of the members, shape (count,)."""


def auto_chunk_size(num_members: int, num_devices: int, platform: str, member_bytes: int) -> int:
    """Members per chunk: as many as are good for one device, in chunks of even size that all devices share."""
    cpu = platform == "cpu"
    lanes = CPU_LANES if cpu else ACCELERATOR_LANES
    if cpu and num_members > MANY_CHUNKS * CPU_LANES * num_devices:
        lanes = 2 * CPU_LANES
    by_size = (CPU_BYTES if cpu else ACCELERATOR_BYTES) // max(member_bytes, 1)
    lanes = max(min(lanes, by_size), VECTOR)
    chunks = math.ceil(num_members / lanes)
    if chunks < 4 * num_devices:  # few: give every device as many as the others
        chunks = num_devices * math.ceil(chunks / num_devices)
    size = max(math.ceil(num_members / max(chunks, 1)), 1)
    return size if size <= VECTOR else VECTOR * math.ceil(size / VECTOR)


def check_chunk_size(value: Any) -> int | None:
    """A positive integer, or None for "auto"."""
    if isinstance(value, str) and value == "auto":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        msg = f'`chunk_size` must be "auto" or a positive integer; got {value!r}. Pass, for example, chunk_size=64.'
        raise TypeError(msg)
    if value <= 0:
        msg = f'`chunk_size` must be at least 1; got {value}. Pass, for example, chunk_size=64, or "auto".'
        raise ValueError(msg)
    return int(value)


def split(order: np.ndarray, lanes: int) -> list[Chunk]:
    """Consecutive members of `order` in chunks; the last may be short."""
    return [Chunk(i, order[start : start + lanes]) for i, start in enumerate(range(0, len(order), lanes))]


def padded(members: np.ndarray, lanes: int) -> np.ndarray:
    """The positions of a chunk, filled up to `lanes` with the last one."""
    return np.concatenate([members, np.full(lanes - len(members), members[-1])])


def pilot_members(num_members: int, lanes: int) -> np.ndarray:
    """Members to run first: whole chunks of them, spread over the batch; none where sorting has nothing to gain."""
    count = lanes * math.ceil(PILOT_MEMBERS / lanes)
    if num_members < 4 * max(count, lanes):
        return np.zeros(0, int)
    # Multiples of the golden ratio: even over any batch, in step with no grid, and distinct because of the factor 4.
    places = ((np.arange(count) + 0.5) * (math.sqrt(5) - 1) / 2) % 1
    return np.sort((places * num_members).astype(int))
