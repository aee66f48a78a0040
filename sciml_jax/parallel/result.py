"""What `ensemble` returns."""

from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Int, PyTree

from ..core.status import Status

_SHOWN = 3


class Failure(NamedTuple):
    """A member that failed."""

    index: int
    """Its position in the inputs."""
    status: Status
    """What happened; ``str(failure.status)`` names the remedy."""

    def __str__(self) -> str:
        return f"member {self.index}: {self.status}"


class EnsembleResult(eqx.Module):
    """The outcome of `ensemble`.

    Attributes
    ----------
    values
        The outputs of all members, stacked: the structure of one output with leaves (N, ...), NumPy arrays (typed PRNG
        keys: JAX arrays), in the order of the inputs. None with ``reduce``.
    reduced
        The results of ``reduce``, in its structure: one, a tuple, a list or a dict. None without.
    status
        A `Status` code for every member, shape (N,), int32.
    num_chunks
        Chunks that the members were divided into, those of other processes included.
    num_resumed
        Of those, chunks read from the checkpoint.
    chunk_size
        Members per chunk.
    elapsed
        Seconds that this call took, compilation included.
    """

    values: PyTree
    reduced: Any
    status: Int[np.ndarray, " members"]
    num_chunks: int
    num_resumed: int
    chunk_size: int
    elapsed: float

    @property
    def num_members(self) -> int:
        """How many members there are."""
        return len(self.status)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The members that failed, in the order of the inputs."""
        failed = np.flatnonzero((self.status != int(Status.SUCCESS)) & (self.status != int(Status.EVENT)))
        return tuple(Failure(int(i), Status(int(self.status[i]))) for i in failed)

    def __repr__(self) -> str:
        failures = self.failures
        shown = ", ".join(f"{index}: {status.name}" for index, status in failures[:_SHOWN])
        more = f" and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else ""
        failed = f"{len(failures)} failed ({shown}{more})" if failures else "none failed"
        name, tree = ("values", self.values) if self.reduced is None else ("reduced", self.reduced)
        what = f"{name} {tree.shape}" if hasattr(tree, "shape") else f"{name} in a {type(tree).__name__}"
        chunks = f"{self.num_chunks} chunks of {self.chunk_size}"
        return f"EnsembleResult({self.num_members} members, {failed}, {chunks}, {self.elapsed:.3g} s, {what})"
