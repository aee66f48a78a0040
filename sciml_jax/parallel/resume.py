"""Finished chunks of an ensemble in a folder, so that a killed run goes on where it was."""

import os
import pathlib
from typing import Any

import numpy as np
from jaxtyping import PyTree

from ..core.checkpoint import load_checkpoint, load_metadata, save_checkpoint

_RUN, _ORDER = "ensemble.ckpt", "order.ckpt"


class ChunkStore:
    """A folder with one file per finished chunk, the order of the members, and what identifies the run.

    Every file is replaced atomically, so whenever the process dies, a chunk is there whole or not at all.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = pathlib.Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            msg = (
                f"`checkpoint` must be a folder; got the file {os.fspath(folder)!r}. Give a folder; it is made when "
                "missing."
            )
            raise ValueError(msg)

    def chunk_size(self) -> int | None:
        """Members per chunk of the run that the folder holds, or None for an empty folder."""
        path = self.folder / _RUN
        return int(load_metadata(path)["chunk_size"]) if path.exists() else None

    def open(self, identity: dict[str, Any], chunk_size: int) -> None:
        """Claim an empty folder, or check that what it holds is this run."""
        path = self.folder / _RUN
        if not path.exists():
            save_checkpoint(path, (), {"identity": identity, "chunk_size": chunk_size})
            return
        saved = load_metadata(path).get("identity", {})
        lines = [
            f"{name}: {saved.get(name)} in the folder, {value} now"
            for name, value in identity.items()
            if saved.get(name) != value
        ]
        if lines:
            raise ValueError(
                f"An ensemble resumes only from its own checkpoint; {os.fspath(self.folder)!r} holds another. It "
                "differs in\n  " + "\n  ".join(lines) + "\nGive another folder, or delete this one to start over."
            )

    def load_order(self, num_members: int) -> np.ndarray | None:
        """The order in which the members were dealt into chunks, if it was settled."""
        path = self.folder / _ORDER
        return load_checkpoint(path, np.zeros(num_members, np.int64))[0] if path.exists() else None

    def save_order(self, order: np.ndarray) -> None:
        """Settle the order: the chunks of a later call must be the same."""
        save_checkpoint(self.folder / _ORDER, order.astype(np.int64))

    def has(self, index: int) -> bool:
        """Whether a chunk has finished."""
        return self._chunk(index).exists()

    def load(self, index: int, like: PyTree) -> PyTree:
        """What a finished chunk handed back; `like` has its structure, shapes and dtypes."""
        return load_checkpoint(self._chunk(index), like)[0]

    def save(self, index: int, output: PyTree) -> None:
        """Keep what a chunk handed back."""
        save_checkpoint(self._chunk(index), output)

    def _chunk(self, index: int) -> pathlib.Path:
        return self.folder / f"chunk-{index:07d}.ckpt"
