"""Containers: an array held as an object array of scalars, and a value that is packed or unpacked on demand."""

from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Shaped


@jax.tree_util.register_pytree_node_class
class Components:
    """An array of shape `shape` and dtype `dtype` held as separate scalars.

    A pytree whose leaves are the entries in row-major order, so that it can be a loop carry, a result of ``jit`` or
    an operand of ``vmap`` (whose lanes then run along each entry's batch axis).

    Parameters
    ----------
    entries
        NumPy object array (or nested sequence) whose shape is the logical shape. Each entry is a scalar JAX value, or
        a Python or NumPy scalar. The latter are *constants*: known while tracing and folded.
    dtype
        The dtype of every entry. Constants are converted to it; JAX scalars must already have it.

    Raises
    ------
    TypeError
        If an entry is a JAX value of another dtype, or not a scalar.
    """

    __slots__ = ("dtype", "entries")

    def __init__(self, entries: Any, dtype: Any):
        self.entries = _object_array(entries)
        self.dtype = np.dtype(dtype)
        flat = self.entries.reshape(-1)
        for i, entry in enumerate(flat):
            flat[i] = _checked_entry(entry, self.dtype)

    @classmethod
    def _from_checked(cls, entries: np.ndarray, dtype: Any) -> Self:
        self = object.__new__(cls)
        self.entries = entries
        self.dtype = dtype
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """The logical shape."""
        return self.entries.shape

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.entries.size

    def tree_flatten(self):
        """Entries in row-major order; shape and dtype."""
        return tuple(self.entries.reshape(-1)), (self.shape, self.dtype)

    @classmethod
    def tree_unflatten(cls, aux, leaves) -> Self:
        """The inverse of `tree_flatten`; leaves may be anything."""
        shape, dtype = aux
        return cls._from_checked(fill(leaves, shape), dtype)

    def __repr__(self) -> str:
        return f"Components(shape={self.shape}, dtype={self.dtype})"


def pack(components: Components) -> Shaped[Array, "..."]:
    """The array that `components` stands for: one concatenation, in which runs of constants are one operand."""
    return jnp.asarray(_pack(components))


def unpack(array: Shaped[ArrayLike, "..."]) -> Components:
    """The scalars of `array`, one slice each; a NumPy array gives constants. Meant for small arrays."""
    if isinstance(array, (bool, int, float, complex)):
        array = jnp.asarray(array)
    if isinstance(array, (np.ndarray, np.generic)):
        array = np.asarray(array)
        return Components._from_checked(fill([x[()] for x in array.reshape(-1)], array.shape), array.dtype)
    if array.ndim == 0:
        return Components._from_checked(fill([array], ()), array.dtype)
    dims = tuple(range(array.ndim))
    pieces = [
        lax.squeeze(lax.slice(array, index, tuple(i + 1 for i in index)), dims) for index in np.ndindex(*array.shape)
    ]
    return Components._from_checked(fill(pieces, array.shape), array.dtype)


def as_components(x: Components | Shaped[ArrayLike, "..."]) -> Components:
    """`x` itself if it is a `Components`, else its scalars."""
    return x if isinstance(x, Components) else unpack(x)


def is_constant(entry: Any) -> bool:
    """Whether `entry` is known while tracing."""
    return isinstance(entry, np.generic)


def constant(value: Any, dtype: Any) -> Any:
    """`value` as a NumPy scalar of exactly `dtype`."""
    return np.asarray(value).astype(dtype)[()]


def is_plain_dtype(dtype: Any) -> bool:
    """Whether `dtype` is a number or a boolean (not a random key, not `float0`)."""
    if jax.dtypes.issubdtype(dtype, jax.dtypes.extended):
        return False
    return bool(jnp.issubdtype(dtype, np.number) or jnp.issubdtype(dtype, np.bool_))


def fill(entries: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Object array of `shape` with `entries` in row-major order (NumPy must not look inside the entries)."""
    out = np.empty(shape, dtype=object)
    flat = out.reshape(-1)
    for i, entry in enumerate(entries):
        flat[i] = entry
    return out


class Value:
    """What a variable of the interpreted program holds: an array, its components, or both (each made when asked for).

    A cached conversion belongs to the trace that made it: hand `fresh()` copies to an inner trace.
    """

    __slots__ = ("_array", "_entries", "dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: Any, array: Any = None, entries: Any = None):
        self.shape, self.dtype = shape, dtype
        if entries is None and shape == () and is_plain_dtype(dtype):
            entries = fill([array[()] if isinstance(array, np.ndarray) else array], ())
        self._array: Any = array
        self._entries: Any = entries

    @classmethod
    def from_array(cls, array: Any) -> "Value":
        """A packed value."""
        array = array if hasattr(array, "dtype") else jnp.asarray(array)
        return cls(tuple(array.shape), array.dtype, array=array)

    @classmethod
    def from_constant(cls, array: np.ndarray) -> "Value":
        """A value whose entries are known."""
        return cls(array.shape, array.dtype, entries=unpack(array).entries)

    @classmethod
    def from_entries(cls, entries: Any, aval: Any) -> "Value":
        """A value of the shape and dtype of `aval` from its entries in row-major order."""
        return cls(aval.shape, aval.dtype, entries=fill(entries, aval.shape))

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def is_packed(self) -> bool:
        """Held as an array only."""
        return self._entries is None

    @property
    def is_uniform(self) -> bool:
        """All entries constant, or one and the same: packing it costs at most a broadcast."""
        if self._entries is None:
            return False
        flat = self._entries.reshape(-1)
        return all(entry is flat[0] for entry in flat) or all(is_constant(entry) for entry in flat)

    @property
    def entries(self) -> np.ndarray:
        """The scalars, as an object array."""
        if self._entries is None:
            self._entries = unpack(self._array).entries
        return self._entries

    @property
    def array(self) -> Any:
        """The packed array."""
        if self._array is None:
            self._array = _pack(Components._from_checked(self._entries, self.dtype))
        return self._array

    def known(self) -> np.ndarray | None:
        """The NumPy array this is, if known while tracing."""
        if self._entries is None or not all(is_constant(entry) for entry in self._entries.reshape(-1)):
            return None
        return self._entries.astype(self.dtype)

    def fresh(self) -> "Value":
        """A copy whose later conversions stay in the trace that asks for them."""
        return Value(self.shape, self.dtype, self._array, self._entries)

    def output(self) -> Any:
        """As `evaluate` returns it."""
        return self._array if self._entries is None else Components._from_checked(self._entries, self.dtype)


def _pack(components: Components) -> Any:
    flat = components.entries.reshape(-1)
    shape, dtype = components.shape, components.dtype
    if all(is_constant(entry) for entry in flat):
        return np.array([entry for entry in flat], dtype=dtype).reshape(shape)
    if shape == ():
        return flat[0]
    if all(entry is flat[0] for entry in flat):
        return lax.broadcast(flat[0], shape)
    pieces, run = [], []
    for entry in flat:
        if is_constant(entry):
            run.append(entry)
            continue
        if run:
            pieces.append(np.array(run, dtype=dtype))
            run = []
        pieces.append(lax.reshape(entry, (1,)))
    if run:
        pieces.append(np.array(run, dtype=dtype))
    row = lax.concatenate(pieces, 0)
    return row if len(shape) == 1 else lax.reshape(row, shape)


def _object_array(entries: Any) -> np.ndarray:
    if isinstance(entries, np.ndarray):
        return fill(entries.reshape(-1), entries.shape)
    if not isinstance(entries, (list, tuple)):
        return fill([entries], ())
    rows = [_object_array(entry) for entry in entries]
    if len({row.shape for row in rows}) > 1:
        msg = f"entries must form a rectangular array; received rows of shapes {[r.shape for r in rows]}"
        raise ValueError(msg)
    flat = [entry for row in rows for entry in row.reshape(-1)]
    return fill(flat, (len(rows), *(rows[0].shape if rows else ())))


def _checked_entry(entry: Any, dtype: np.dtype) -> Any:
    if isinstance(entry, (bool, int, float, complex, np.generic)):
        return constant(entry, dtype)
    if getattr(entry, "shape", None) != ():
        msg = f"entries of Components must be scalars; received {entry!r}; use unpack for arrays"
        raise TypeError(msg)
    if isinstance(entry, np.ndarray):
        return constant(entry, dtype)
    if entry.dtype != dtype:
        msg = f"entries of Components must have its dtype {dtype}; received {entry.dtype}; convert it"
        raise TypeError(msg)
    return entry
