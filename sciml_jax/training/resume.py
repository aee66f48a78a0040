"""The checkpoint of a training run: what is in it, and whether it belongs to this call."""

import hashlib
import os
import pathlib
import time
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, PyTree

from ..core.checkpoint import load_checkpoint, load_metadata, save_checkpoint
from .quasi_newton import SolverStep
from .step import Task, TrainState

_FILE = "training.ckpt"
_SECONDS = 60.0


class Saver:
    """Reads and writes the checkpoint of one run in a folder; ``folder=None`` does nothing."""

    def __init__(self, folder: str | os.PathLike | None, every: int | None, identity: dict[str, Any]):
        self.path = None if folder is None else pathlib.Path(folder) / _FILE
        if folder is not None and self.path is not None and self.path.parent.exists() and not self.path.parent.is_dir():
            msg = (
                f"checkpoint must be a folder; received the file {os.fspath(folder)!r}. Give a folder; it is made when "
                "missing."
            )
            raise ValueError(msg)
        self.every = every if self.path is not None else None
        self.identity = identity
        self._saved_at, self._saved_step = time.monotonic(), -1

    def load(self, state: TrainState, history: np.ndarray) -> tuple[TrainState, np.ndarray]:
        """The saved state and history (2, steps), or what was handed in when nothing was saved."""
        if self.path is None or not self.path.exists():
            return state, history
        metadata = load_metadata(self.path)
        self._check_identity(metadata.get("identity", {}))
        self._saved_step = metadata["step"]
        return load_checkpoint(self.path, (state, np.zeros((2, metadata["step"]))))[0]

    def save(self, state: TrainState, history: np.ndarray, *, now: bool = False) -> None:
        """Write when due: every ``every`` steps, about once a minute when that is None, or ``now``."""
        if self.path is None:
            return
        step = int(state.step)
        due = time.monotonic() - self._saved_at > _SECONDS if self.every is None else step % self.every == 0
        if (due or now) and step != self._saved_step:
            metadata = {"step": step, "status": int(state.status), "identity": self.identity}
            save_checkpoint(self.path, (state, history[:, :step]), metadata)
            self._saved_at, self._saved_step = time.monotonic(), step

    def _check_identity(self, saved: dict[str, Any]) -> None:
        lines = [
            f"{name}: {saved.get(name)} in the checkpoint, {value} now"
            for name, value in self.identity.items()
            if saved.get(name) != value
        ]
        if lines:
            raise ValueError(
                f"A run resumes only from its own checkpoint; {str(self.path)!r} holds another run. It differs in\n  "
                + "\n  ".join(lines)
                + "\nGive another folder, or pass resume=False to start over and replace it."
            )


def run_identity(task: Task, params: PyTree, batches: Any) -> dict[str, Any]:
    """What makes two calls the same run, as far as data can tell (functions cannot be compared across processes)."""
    return {
        "optimizer": type(task.method.solver).__name__ if isinstance(task.method, SolverStep) else "optax",
        "initial params": _digest(params),
        "key": None if task.key is None else np.asarray(_key_data(task.key)).tolist(),
        "batches": "none" if batches is None else "function" if callable(batches) else "iterable",
        "patience": task.settings.patience,
        "min_delta": task.settings.min_delta,
        "val_every": task.settings.val_every if task.val_fn is not None else None,
    }


def _key_data(key: Array) -> Array:
    return jax.random.key_data(key) if jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key) else key


def _digest(params: PyTree) -> str:
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        digest.update(f"{jax.tree_util.keystr(path)}{leaf.shape}{leaf.dtype}".encode())
        digest.update(np.asarray(leaf).tobytes())
    return "sha256 " + digest.hexdigest()[:16]
