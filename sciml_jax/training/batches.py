"""Where the batches of a training run come from."""

import functools
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from ..numerics.loops import while_loop
from .checks import as_count, as_key

_ROUNDS = 12


class Minibatches(eqx.Module):
    """A pure function ``step -> batch`` over data in memory; made by `minibatches`."""

    data: PyTree
    key: Array
    batch_size: int = eqx.field(static=True)
    num_samples: int = eqx.field(static=True)

    @property
    def batches_per_epoch(self) -> int:
        """Whole batches in one pass; the samples left over change from epoch to epoch."""
        return self.num_samples // self.batch_size

    def indices(self, step: Int[Array, ""] | int) -> Int[Array, " batch"]:
        """Rows of the data that make up the batch of this step."""
        return _shuffled_rows(self.key, step, self.batch_size, self.num_samples)

    def __call__(self, step: Int[Array, ""] | int) -> PyTree:
        """The batch of this step, leaves (batch_size, ...)."""
        indices = self.indices(step)
        return jax.tree.map(lambda x: x[indices], self.data)


def minibatches(data: PyTree, batch_size: int, *, key: Any) -> Minibatches:
    """Shuffled minibatches of data in memory, as a pure function of the step.

    Every epoch visits the samples in a fresh order, each at most once; when ``batch_size`` does not divide the number
    of samples, the rest of the epoch's order is left out. Being a function of the step alone, it needs no position to
    be saved: a resumed run sees the same batches.

    Parameters
    ----------
    data
        Pytree of arrays, leaves (num_samples, ...).
    batch_size
        Samples per batch, at most num_samples.
    key
        Integer seed or PRNG key.

    Returns
    -------
    A callable for ``batches=`` of `run` and `fit`; its arrays are traced, so new data of the same shape do not compile
    again.

    Raises
    ------
    ValueError
        When the leading axes differ or the batch is larger than the data.

    Notes
    -----
    The order is a keyed bijection evaluated only at the rows of the batch: O(batch_size) work and memory per step,
    where shuffling would sort all samples. It is a Feistel network restricted to the range by cycle walking.

    Not for data beyond device memory: pass an iterable of host batches to `fit`.

    References
    ----------
    J. Black, P. Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002. R. Mitchell et al., Bandwidth-optimal
    random shuffling for GPUs, ACM Trans. Parallel Comput. 9 (2022).
    """
    batch_size = as_count(batch_size, "batch_size")
    data = jax.tree.map(jnp.asarray, data)
    sizes = {leaf.shape[:1] for leaf in jax.tree.leaves(data)}
    if len(sizes) != 1 or sizes == {()}:
        shapes = [leaf.shape for leaf in jax.tree.leaves(data)]
        msg = (
            "data must be arrays that share their first axis, the samples; "
            f"received shapes {shapes}. Transpose or slice them to leaves (num_samples, ...)."
        )
        raise ValueError(msg)
    num_samples = sizes.pop()[0]
    if batch_size > num_samples:
        msg = (
            f"batch_size must not exceed the number of samples; received batch_size={batch_size} for {num_samples} "
            "samples. Lower batch_size."
        )
        raise ValueError(msg)
    key = as_key(key)
    if key is None:
        msg = "minibatches needs a key to shuffle; received None. Pass an integer seed, key=0 for example."
        raise TypeError(msg)
    return Minibatches(data, key, batch_size, num_samples)


@functools.partial(jax.jit, static_argnums=(2, 3))
def _shuffled_rows(key, step, batch_size: int, num_samples: int):
    epoch, position = jnp.divmod(jnp.asarray(step), num_samples // batch_size)
    rows = (position * batch_size + jnp.arange(batch_size)).astype(jnp.uint32)
    round_keys = jax.random.bits(jax.random.fold_in(key, epoch), (_ROUNDS,), jnp.uint32)
    return _permute(rows, num_samples, round_keys).astype(jnp.int32)


def _permute(index, size: int, round_keys):
    """Images of ``index`` (n,) under a keyed bijection of range(size)."""
    bits = max(2, (size - 1).bit_length())
    low = bits // 2
    low_mask, high_mask = jnp.uint32((1 << low) - 1), jnp.uint32((1 << (bits - low)) - 1)

    def encrypt(state):
        value, inside = state
        left, right = value >> low, value & low_mask
        for r in range(0, _ROUNDS, 2):
            left = left ^ (_mix(right ^ round_keys[r]) & high_mask)
            right = right ^ (_mix(left ^ round_keys[r + 1]) & low_mask)
        image = jnp.where(inside, value, (left << low) | right)
        return image, image < size

    # Outside the range: follow the cycle until it comes back in. Less than two rounds on average.
    start = (index, jnp.zeros(index.shape, bool))
    return while_loop(lambda state: ~jnp.all(state[1]), encrypt, start, round_keys)[0]


def _mix(x):
    """The 32-bit finalizer of MurmurHash3 (public domain, A. Appleby)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


class StackedBatches(eqx.Module):
    """A block of host batches on the device, addressed by the step of the whole run."""

    values: PyTree
    start: Int[Array, ""]

    def __call__(self, step: Int[Array, ""]) -> PyTree:
        """The batch of this step."""
        return jax.tree.map(lambda x: x[step - self.start], self.values)


def check_batches(batches: Any, *, pure: bool) -> None:
    """Refuse what would be misread: arrays and tuples are data, not a sequence of batches."""
    if batches is None or (callable(batches) and not isinstance(batches, type)):
        return
    if (
        not pure
        and isinstance(batches, Iterable)
        and not isinstance(batches, (tuple, dict, str, np.ndarray, jax.Array))
    ):
        return
    rule = (
        "None or a function step -> batch"
        if pure
        else "None, a function step -> batch, or an iterable of batches (a list, a loader, a generator)"
    )
    extra = " Host iterables go to training.fit." if pure else ""
    msg = (
        f"batches must be {rule}; received {type(batches).__name__}. For data in memory use training.minibatches(data, "
        f"batch_size, key=0).{extra}"
    )
    raise TypeError(msg)


class HostBatches:
    """Batches drawn from an iterable, stacked block by block. An iterator ends, other iterables start over."""

    def __init__(self, iterable: Iterable):
        self._source = _walk(iterable)
        self._held = list(itertools.islice(self._source, 1))
        if not self._held:
            msg = (
                "batches must hold at least one batch; received an empty iterable. Make a fresh iterator for every "
                "call of fit."
            )
            raise ValueError(msg)

    def example(self) -> StackedBatches:
        """A function step -> batch, for shapes."""
        return StackedBatches(jax.tree.map(lambda x: jnp.asarray(x)[None], self._held[0]), jnp.zeros((), jnp.int32))

    def skip(self, count: int) -> None:
        """Pass over batches that an earlier call has used."""
        self._draw(count)

    def take(self, count: int, length: int, start: int) -> tuple[StackedBatches | None, int]:
        """Up to ``count`` batches from step ``start`` on, padded to ``length`` with the last; and their number."""
        items = self._draw(count)
        if not items:
            return None, 0
        shapes = [jax.tree.map(np.shape, item) for item in items]
        for offset, shape in enumerate(shapes):
            if shape != shapes[0]:
                msg = (
                    f"All batches must have the same structure and shapes; received {shapes[0]} at step {start} and "
                    f"{shape} "
                    f"at step {start + offset}. Drop the incomplete last batch of an epoch."
                )
                raise ValueError(msg)
        padded = items + [items[-1]] * (length - len(items))
        values = jax.tree.map(lambda *leaves: jnp.asarray(np.stack([np.asarray(leaf) for leaf in leaves])), *padded)
        return StackedBatches(values, jnp.asarray(start, jnp.int32)), len(items)

    def _draw(self, count: int) -> list:
        drawn = self._held[:count]
        self._held = self._held[count:]
        drawn.extend(itertools.islice(self._source, count - len(drawn)))
        return drawn


def _walk(iterable: Iterable) -> Iterator:
    while True:
        drawn = False
        for batch in iterable:
            drawn = True
            yield batch
        if not drawn or isinstance(iterable, Iterator):
            return
