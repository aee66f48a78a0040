"""What `run` and `fit` return."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from .status import FitStatus


class RunResult(eqx.Module):
    """The outcome of `run`; every field is an array or a pytree of arrays and may be traced or batched.

    Attributes
    ----------
    params
        After the last update; when the loss or the update became NaN or infinite, the last good ones (see `FitStatus`).
    best_params, best_loss
        Lowest watched loss (validation loss if there is a ``val_fn``) and its parameters; None unless ``patience``,
        ``val_fn`` or ``track_best`` asked.
    losses
        (num_steps,): loss of the parameters *before* each update; NaN after the run has stopped.
    val_losses
        (num_steps,): validation loss before each update; NaN where it was not due. None without ``val_fn``.
    status
        `FitStatus` code, integer, shape ().
    num_steps
        Steps tried, integer, shape (). A step that met NaN counts.
    opt_state
        State of the optimizer.
    aux
        Auxiliary output of the last evaluation with a finite loss; None without ``has_aux``.
    """

    params: PyTree
    best_params: PyTree | None
    best_loss: Float[Array, ""] | None
    losses: Float[Array, " num_steps"]
    val_losses: Float[Array, " num_steps"] | None
    status: Int[Array, ""]
    num_steps: Int[Array, ""]
    opt_state: PyTree
    aux: PyTree


class FitResult(eqx.Module):
    """The outcome of `fit`; the fields of `RunResult` with the history cut to the steps tried and the host's numbers.

    Attributes
    ----------
    params, best_params, best_loss, opt_state, aux
        As in `RunResult`.
    losses, val_losses
        NumPy arrays (num_steps,), float64 whatever the loss is: all steps, those before a resume included.
    status
        A `FitStatus`.
    num_steps
        Steps tried, those before a resume included.
    elapsed
        Seconds that this call took, compilation included.
    """

    params: PyTree
    best_params: PyTree | None
    best_loss: float | None
    losses: np.ndarray
    val_losses: np.ndarray | None
    status: FitStatus
    num_steps: int
    opt_state: PyTree
    aux: Any
    elapsed: float

    @property
    def message(self) -> str:
        """The reason for the end and, for a failure, the remedy."""
        return self.status.message

    def __repr__(self) -> str:
        last = f"{self.losses[-1]:.6g}" if len(self.losses) else "none"
        best = "" if self.best_loss is None else f", best_loss={self.best_loss:.6g}"
        steps = f"num_steps={self.num_steps}, last loss={last}{best}"
        return f"FitResult({self.status.name}, {steps}, elapsed={self.elapsed:.3g} s)"
