"""The inputs of an ensemble on the host, to be dealt out in chunks."""

import hashlib
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..core.tree import describe

MAX_FEATURES = 64
"""Numbers per member up to which its cost is predicted from them."""


class Members:
    """A batch of inputs as NumPy arrays; typed PRNG keys are held as their words.

    Attributes
    ----------
    leaves
        Arrays, leading axis the members.
    spec
        How to make one pytree of them again: hashable, so that it can be static.
    """

    def __init__(self, leaves: list[np.ndarray], spec: tuple):
        self.leaves, self.spec = leaves, spec

    @classmethod
    def of(cls, inputs: PyTree) -> "Members":
        """Check the user's inputs and copy them to the host."""
        named = jax.tree_util.tree_flatten_with_path(inputs)[0]
        treedef = jax.tree_util.tree_structure(inputs)
        if not named:
            msg = f"`inputs` must hold at least one array; got {describe(inputs)}. Pass arrays with leading axis N."
            raise ValueError(msg)
        for path, leaf in named:
            _check_leaf(jax.tree_util.keystr(path) or "inputs", leaf)
        sizes = {leaf.shape[0] for _, leaf in named}
        if len(sizes) > 1:
            shapes = ", ".join(f"{jax.tree_util.keystr(path) or 'inputs'}: {leaf.shape}" for path, leaf in named)
            msg = (
                f"All leaves of `inputs` must share their first axis, the members; got {shapes}. Repeat what all "
                "members share (jnp.broadcast_to), or let `fn` close over it."
            )
            raise ValueError(msg)
        pairs = [_to_host(leaf) for _, leaf in named]
        return cls([array for array, _ in pairs], (treedef, tuple(impl for _, impl in pairs)))

    def __len__(self) -> int:
        return self.leaves[0].shape[0]

    def take(self, index: np.ndarray) -> "Members":
        """The members at these positions."""
        return Members([leaf[index] for leaf in self.leaves], self.spec)

    def member_bytes(self) -> int:
        """Size of one member."""
        return sum(int(np.prod(leaf.shape[1:])) * leaf.dtype.itemsize for leaf in self.leaves)

    def features(self) -> np.ndarray | None:
        """The real numbers of every member, (N, d); None when there are none, or more than `MAX_FEATURES`."""
        columns = [
            leaf.reshape(len(self), int(np.prod(leaf.shape[1:])))
            for leaf, impl in zip(self.leaves, self.spec[1], strict=True)
            if impl is None and (jnp.issubdtype(leaf.dtype, jnp.floating) or jnp.issubdtype(leaf.dtype, jnp.integer))
        ]
        if not 0 < sum(column.shape[1] for column in columns) <= MAX_FEATURES:
            return None
        return np.concatenate([column.astype(np.float64) for column in columns], axis=1)

    def digest(self) -> str:
        """A fingerprint of structure, shapes, dtypes and values."""
        found = hashlib.sha256(str(self.spec).encode())
        for leaf in self.leaves:
            found.update(f"{leaf.shape}{leaf.dtype}".encode())
            found.update(np.ascontiguousarray(leaf).tobytes())
        return found.hexdigest()[:32]


def rebuild(leaves: Any, spec: tuple) -> PyTree:
    """The pytree of a chunk from its arrays, inside the program."""
    treedef, impls = spec
    wrapped = [
        leaf if impl is None else jax.random.wrap_key_data(leaf, impl=impl)
        for leaf, impl in zip(leaves, impls, strict=True)
    ]
    return jax.tree_util.tree_unflatten(treedef, wrapped)


def _check_leaf(name: str, leaf: Any) -> None:
    if isinstance(leaf, jax.core.Tracer):
        msg = (
            f"`ensemble` runs on the host and needs concrete inputs; {name} is traced. Inside jit, vmap or grad use "
            "jax.vmap(fn)."
        )
        raise TypeError(msg)
    if not isinstance(leaf, (jax.Array, np.ndarray)) or leaf.ndim == 0:
        msg = (
            f"Every leaf of `inputs` must be an array with leading axis N, the members; {name} is {describe(leaf)} "
            f"({type(leaf).__name__}). Make one array of all members' values (jnp.asarray, jnp.full), or let `fn` "
            "close over what they share."
        )
        raise TypeError(msg)
    if isinstance(leaf, np.ndarray) and leaf.dtype.kind not in "biufcV":
        msg = f"Leaves of `inputs` must be numeric; {name} has dtype {leaf.dtype}. Convert it to numbers."
        raise TypeError(msg)
    if isinstance(leaf, jax.Array) and not (leaf.is_fully_addressable or leaf.is_fully_replicated):
        msg = (
            f"Every process must hold all `inputs`; {name} lives partly on other processes. Pass the whole batch on "
            "every process, as NumPy arrays for example: each runs its own share."
        )
        raise ValueError(msg)


def _to_host(leaf: Any) -> tuple[np.ndarray, str | None]:
    """The array as NumPy in the dtype that JAX would give it now, and the PRNG implementation of keys."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return np.asarray(jax.random.key_data(leaf)), str(jax.random.key_impl(leaf))
    if isinstance(leaf, jax.Array):
        return np.asarray(leaf), None
    return np.asarray(leaf, jax.dtypes.canonicalize_dtype(leaf.dtype)), None
