"""Save a pytree of arrays to one file and read it back bit for bit, without pickle.

Layout: 8 bytes of magic, 8 bytes (little endian) with the header's length, a JSON header, the raw bytes of the leaves
one after the other.
"""

import json
import os
import pathlib
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

_MAGIC = b"SCIMLJX1"


def save_checkpoint(path: str | os.PathLike, tree: PyTree, metadata: dict[str, Any] | None = None) -> None:
    """Write ``tree`` and ``metadata`` to the file ``path``, atomically.

    The bytes go to ``path`` + ``.tmp``, are flushed to the disk and renamed over ``path``: whoever reads ``path``, at
    any moment and after any crash, finds the old file or the new one, never a part.

    Parameters
    ----------
    path
        File to write; missing parent folders are created.
    tree
        Any pytree. JAX and NumPy arrays (bfloat16 and the other small floats included), typed PRNG keys and Python
        numbers are written. Other leaves (functions, strings) are not: `load_checkpoint` takes them from its ``like``.
    metadata
        A dictionary that JSON can hold.

    Raises
    ------
    ValueError
        For object arrays, and for arrays that live partly on another process.

    Notes
    -----
    Copies every array to the host, so it costs one copy of the tree in host memory. One writer per path: in a
    multi-process run call it on one process only. Not for long-term exchange with other programs: use ``numpy.savez``
    there.
    """
    path = pathlib.Path(path)
    entries, payload, offset = [], [], 0
    for name, leaf in _named_leaves(tree):
        entry, data = _encode(name, leaf)
        if data is not None:
            entry |= {"offset": offset, "nbytes": data.nbytes}
            offset += data.nbytes
            payload.append(data)
        entries.append(entry)
    checksum = 0
    for data in payload:
        checksum = zlib.crc32(data, checksum)
    header = json.dumps({"metadata": metadata or {}, "leaves": entries, "nbytes": offset, "crc32": checksum}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        file.write(_MAGIC + len(header).to_bytes(8, "little") + header)
        for data in payload:
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    _sync_folder(path.parent)


def load_checkpoint(path: str | os.PathLike, like: PyTree) -> tuple[PyTree, dict[str, Any]]:
    """Read a file written by `save_checkpoint` into the structure of ``like``.

    Parameters
    ----------
    path
        The file.
    like
        A pytree with the structure, shapes and dtypes of what was saved; its array leaves may be
        `jax.ShapeDtypeStruct`. Its values are used only for the leaves that a checkpoint does not hold (functions,
        strings). NumPy leaves come back as NumPy arrays; a leaf spread over several devices comes back with that
        sharding.

    Returns
    -------
    The tree and the metadata.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is not a checkpoint, is damaged, or does not fit ``like``; the message lists the leaves that
        differ.
    """
    header, payload = _read(path, with_payload=True)
    named = _named_leaves(like)
    _check_fits(path, header["leaves"], named)
    leaves = [_decode(entry, payload, leaf) for entry, (_, leaf) in zip(header["leaves"], named, strict=True)]
    return jax.tree.unflatten(jax.tree.structure(like), leaves), header["metadata"]


def load_metadata(path: str | os.PathLike) -> dict[str, Any]:
    """Read only the metadata of a checkpoint.

    Parameters
    ----------
    path
        A file written by `save_checkpoint`.

    Returns
    -------
    The dictionary that was given to `save_checkpoint`.

    Raises
    ------
    ValueError
        When the file is not a checkpoint or is cut short.
    """
    header, _ = _read(path, with_payload=False)
    return header["metadata"]


def _named_leaves(tree):
    return [
        (jax.tree_util.keystr(path) or "(root)", leaf) for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]
    ]


def _is_key(leaf) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _describe(leaf) -> dict[str, Any]:
    """What must agree between the file and ``like``: the kind of the leaf, its shape and its dtype."""
    if _is_key(leaf):
        return {"kind": "key", "shape": list(leaf.shape), "dtype": str(leaf.dtype)}
    if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
        return {"kind": "array", "shape": list(leaf.shape), "dtype": jnp.dtype(leaf.dtype).name}
    if isinstance(leaf, (bool, int, float)):
        return {"kind": type(leaf).__name__}
    return {"kind": "static"}


def _encode(name, leaf):
    entry = {"path": name} | _describe(leaf)
    if entry["kind"] in ("bool", "int", "float"):
        return entry | {"value": leaf}, None
    if entry["kind"] == "static":
        return entry, None
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
        msg = (
            f"A checkpoint needs arrays that this process can read whole; received {name}, which lives partly on "
            "other processes. "
            "Gather it first (jax.experimental.multihost_utils.process_allgather)."
        )
        raise ValueError(msg)
    data = np.asarray(jax.random.key_data(leaf) if entry["kind"] == "key" else leaf)
    if data.dtype.hasobject:
        msg = (
            f"A checkpoint holds numeric arrays; received {name} of dtype object. Convert it to numbers or leave it "
            "out."
        )
        raise ValueError(msg)
    # Bytes, because the small floats (bfloat16, ...) have no buffer protocol.
    return entry, np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)


def _decode(entry, payload, like):
    kind = entry["kind"]
    if kind == "static":
        return like
    if kind in ("bool", "int", "float"):
        return entry["value"]
    raw = payload[entry["offset"] : entry["offset"] + entry["nbytes"]]
    if kind == "key":
        words = np.frombuffer(raw, np.uint32).reshape(*entry["shape"], -1)
        return jax.random.wrap_key_data(jnp.asarray(words), impl=jax.random.key_impl(like))
    value = np.frombuffer(raw, jnp.dtype(entry["dtype"])).reshape(entry["shape"])
    if isinstance(like, (np.ndarray, np.generic)):
        return value.copy()
    if isinstance(like, jax.Array) and len(like.sharding.device_set) > 1:
        return jax.device_put(value, like.sharding)
    return jnp.array(value)


def _read(path, *, with_payload: bool):
    damaged = ValueError(
        f"A checkpoint must be a complete file written by save_checkpoint; received {os.fspath(path)!r}, which is "
        "damaged or something else. "
        "Delete it and start again, or give the right path."
    )
    with open(path, "rb") as file:
        if file.read(8) != _MAGIC:
            raise damaged
        raw = file.read(int.from_bytes(file.read(8), "little"))
        try:
            header = json.loads(raw)
        except ValueError:
            raise damaged from None
        payload = file.read() if with_payload else b""
    if with_payload and (len(payload) != header["nbytes"] or zlib.crc32(payload) != header["crc32"]):
        raise damaged
    return header, payload


def _check_fits(path, entries, named) -> None:
    stored = {entry["path"]: {k: entry[k] for k in ("kind", "shape", "dtype") if k in entry} for entry in entries}
    wanted = {name: _describe(leaf) for name, leaf in named}
    lines = [f"{name}: only in the file" for name in stored if name not in wanted]
    lines += [f"{name}: not in the file" for name in wanted if name not in stored]
    for name in wanted:
        if name in stored and stored[name] != wanted[name]:
            lines.append(f"{name}: {_words(stored[name])} in the file, {_words(wanted[name])} expected")
    if not lines and list(stored) != list(wanted):
        lines.append("the same leaves in another order")
    if lines:
        shown = "\n  ".join(lines[:8] + ([f"and {len(lines) - 8} more"] if len(lines) > 8 else []))
        msg = (
            f"A checkpoint must have the structure, shapes and dtypes of what it is read into; {os.fspath(path)!r} "
            f"differs:\n  {shown}\n"
            "Read it with the tree it was saved from, or use another path."
        )
        raise ValueError(msg)


def _words(entry) -> str:
    return f"{entry['dtype']}{tuple(entry['shape'])}" if "dtype" in entry else entry["kind"]


def _sync_folder(folder: pathlib.Path) -> None:
    """Make the rename itself durable; not every file system can, and then the data are still consistent."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
