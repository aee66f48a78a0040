"""Finished blocks of chains on disk, and whether they belong to a run."""

import hashlib
import os
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core.checkpoint import load_checkpoint, load_metadata, save_checkpoint


class GroupStore:
    """The blocks of one group of chains, a file each with the draws and one with the state after it."""

    def __init__(self, folder: str | os.PathLike, group: int, run: dict):
        self.folder, self.group = pathlib.Path(folder), group
        if self.folder.exists() and not self.folder.is_dir():
            msg = f"`checkpoint` must be a folder; got the file {os.fspath(folder)!r}. Give a folder; it is made."
            raise ValueError(msg)
        path = self.folder / f"group-{group:05d}.ckpt"
        if path.exists():
            self._check(load_metadata(path), run)
        else:
            save_checkpoint(path, (), run)

    def has(self, block: int) -> bool:
        """Whether a block and the state after it are there."""
        return self._path(block, "draws").exists() and self._path(block, "state").exists()

    def load(self, block: int) -> tuple | None:
        """The draws and statistics of a block, None where there are none."""
        if not self.has(block):
            return None
        meta = load_metadata(self._path(block, "draws"))
        stats = {name: np.zeros(shape, dtype) for name, shape, dtype in meta["stats"]}
        like = (np.zeros(*meta["positions"]), stats)
        return load_checkpoint(self._path(block, "draws"), like)[0]

    def load_state(self, block: int, like: Any) -> Any:
        """The state of the chains after a block."""
        return load_checkpoint(self._path(block, "state"), like)[0]

    def save(self, block: int, done: tuple, state: Any) -> None:
        """Keep a block: its draws first, so that a state without draws cannot be."""
        positions, stats = done
        meta = {
            "positions": [list(positions.shape), positions.dtype.name],
            "stats": [[name, list(value.shape), value.dtype.name] for name, value in stats.items()],
        }
        save_checkpoint(self._path(block, "draws"), done, meta)
        save_checkpoint(self._path(block, "state"), state)
        # Only the last state is needed to go on.
        if block and self._path(block - 1, "state").exists():
            self._path(block - 1, "state").write_bytes(b"")

    def _path(self, block: int, kind: str) -> pathlib.Path:
        return self.folder / f"group-{self.group:05d}-block-{block:05d}.{kind}"

    def _check(self, saved: dict, run: dict) -> None:
        lines = [
            f"{name}: {saved.get(name)} there, {value} now" for name, value in run.items() if saved.get(name) != value
        ]
        if lines:
            shown = "\n  ".join(lines)
            msg = (
                f"a `checkpoint` must belong to the same run; {os.fspath(self.folder)!r} differs:\n  {shown}\n"
                "Repeat the call that made it, or give another folder."
            )
            raise ValueError(msg)


def identity(run: Any, text: str, arrays: Any) -> dict:
    """What makes two calls the same run."""
    data = hashlib.sha256()
    key = jax.random.key_data(run.key) if jnp.issubdtype(run.key.dtype, jax.dtypes.prng_key) else run.key
    for leaf in jax.tree.leaves((arrays, run.given, key)):
        data.update(np.asarray(leaf).tobytes())
    return {
        "method": run.kernel.name,
        "num_warmup": run.num_warmup,
        "num_samples": run.total - run.num_warmup,
        "num_chains": run.num_chains,
        "chains_per_group": run.width,
        "numbers": data.hexdigest()[:16],
        "program": hashlib.sha256(text.encode()).hexdigest()[:16],
        "jax": jax.__version__,
    }
