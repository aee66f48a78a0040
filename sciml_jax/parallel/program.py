"""The program that runs one chunk of members: `vmap(fn)`, statuses and summaries, compiled once per device."""

import functools
import hashlib
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..core.callables import Function, captured_values
from ..core.tree import Static
from .members import Members, rebuild
from .outcome import member_status, member_steps
from .reductions import AbstractReduction

_KEY_IMPLS = {"key<fry>": "threefry2x32", "key<rbg>": "rbg", "key<urbg>": "unsafe_rbg"}


class ChunkOutput(NamedTuple):
    """What a chunk hands back, leaves with leading axis the lanes (summaries of reductions: any shape)."""

    payload: PyTree
    """The outputs, or the summaries of the reductions."""
    status: Any
    steps: Any


class Program:
    """`fn` for `lanes` members at once, ready to be compiled for devices.

    Tracing and lowering happen in the caller's thread, because JAX's context settings (precision, x64) are the
    thread's own; compiling and running may happen in any.
    """

    def __init__(self, fn: Callable, members: Members, lanes: int, reductions: tuple[AbstractReduction, ...]):
        self.lanes, self._fn, self._spec, self._reductions = lanes, fn, members.spec, reductions
        self._arrays, static = eqx.partition(fn, lambda leaf: eqx.is_array(leaf) or isinstance(leaf, np.ndarray))
        self._shapes = [(leaf.shape[1:], leaf.dtype) for leaf in members.leaves]
        self._static = {
            "static": Static(static),
            # Of plain functions; a module is compared by its leaves, so that new weights compile nothing.
            "captured": Static(captured_values(*(f for f in (fn, *(r.of for r in reductions)) if _is_plain(f)))),
            "spec": members.spec,
            "reductions": reductions,
        }
        self._x64 = jax.dtypes.canonicalize_dtype(np.float64) == np.float64

    def _trace(self, device: Any = None) -> Any:
        sharding = None if device is None else jax.sharding.SingleDeviceSharding(device)

        def struct(shape, dtype):
            return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)

        arrays = jax.tree.map(lambda leaf: struct(jnp.shape(leaf), jnp.result_type(leaf)), self._arrays)
        leaves = [struct((self.lanes, *shape), dtype) for shape, dtype in self._shapes]
        return _run_chunk.trace(arrays, leaves, struct((self.lanes,), bool), **self._static)

    @functools.cached_property
    def out_struct(self) -> ChunkOutput:
        """Shapes and dtypes of what a chunk hands back."""
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), self._trace().out_info)

    def member_bytes(self) -> int:
        """Size of one member's outputs (of its share of the summaries)."""
        leaves = jax.tree.leaves(host_struct(self.out_struct.payload))
        return sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves) // self.lanes

    def digest(self) -> str:
        """A fingerprint of the compiled mathematics: the lowered program and the arrays that `fn` holds."""
        found = hashlib.sha256(self._trace().lower().as_text().encode())
        for leaf in jax.tree.leaves(self._arrays):
            raw = jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
            found.update(np.asarray(raw).tobytes())
        return found.hexdigest()[:32]

    def lower(self, device: Any) -> Callable[[], Callable[[Members, int], ChunkOutput]]:
        """Lower for a device; the result compiles when called, and gives a function that starts a chunk there."""
        lowered = self._trace(device).lower()

        def compile_() -> Callable[[Members, int], ChunkOutput]:
            compiled = lowered.compile()
            with jax.enable_x64(self._x64):
                arrays = jax.device_put(self._arrays, device)

            def start(chunk: Members, count: int) -> ChunkOutput:
                valid = np.arange(self.lanes) < count
                # NumPy arrays as they are: the program was lowered for its device, and `device_put` on a CPU hands the
                # copy to another thread, which cost more than a chunk of cheap members.
                with jax.enable_x64(self._x64):
                    return compiled(arrays, chunk.leaves, valid)

            return start

        return compile_


def _is_plain(fn: Any) -> bool:
    return isinstance(fn, Function) or inspect.isfunction(fn)


@functools.partial(jax.jit, static_argnames=("static", "captured", "spec", "reductions"))
def _run_chunk(arrays, leaves, valid, *, static, captured, spec, reductions):
    del captured  # part of the key of the compiled program
    fn = eqx.combine(arrays, static.tree)
    outputs = jax.vmap(lambda member: fn(member))(rebuild(leaves, spec))
    lanes = valid.shape[0]
    status = member_status(outputs, lanes)
    payload: Any = outputs
    if reductions:
        good = valid & ((status == 0) | (status == 1))
        payload = tuple(reduction.summarise(reduction.select(outputs), good) for reduction in reductions)
    return ChunkOutput(payload, status, member_steps(outputs, lanes))


def fetch(tree: PyTree) -> PyTree:
    """Wait for the arrays and copy them to the host; typed keys become their words."""

    def one(leaf):
        return np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)

    return jax.tree.map(one, tree)


def host_struct(struct: PyTree) -> PyTree:
    """Shapes and dtypes after `fetch`."""

    def one(leaf):
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return jax.eval_shape(jax.random.key_data, leaf) if is_key else leaf

    return jax.tree.map(one, struct)


def restore_keys(tree: PyTree, struct: PyTree) -> PyTree:
    """Undo what `fetch` does to typed keys."""

    def one(leaf, like):
        impl = _KEY_IMPLS.get(str(like.dtype))
        return leaf if impl is None else jax.random.wrap_key_data(jnp.asarray(leaf), impl=impl)

    return jax.tree.map(one, tree, struct)
