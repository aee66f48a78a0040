"""How a training run ended."""

import enum


class FitStatus(enum.IntEnum):
    """How a training run ended; ``str()`` gives the reason and the remedy.

    `training.run` returns the code as an integer array (one per lane under ``vmap``): ``FitStatus(int(code))``.
    """

    COMPLETED = 0
    CONVERGED = 1
    EARLY_STOP = 2
    NON_FINITE_LOSS = 3
    NON_FINITE_UPDATE = 4
    SOLVER_FAILED = 5
    MAX_STEPS = 6
    INTERRUPTED = 7
    OUT_OF_BATCHES = 8

    @property
    def is_success(self) -> bool:
        """Whether the run ended as asked: all steps taken, converged, or stopped early by ``patience``."""
        return self in (FitStatus.COMPLETED, FitStatus.CONVERGED, FitStatus.EARLY_STOP)

    @property
    def message(self) -> str:
        """The reason and, for a failure, the remedy."""
        return _MESSAGES[self]

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


_MESSAGES = {
    FitStatus.COMPLETED: "all num_steps steps were taken.",
    FitStatus.CONVERGED: "the solver met its rtol and atol.",
    FitStatus.EARLY_STOP: (
        "the watched loss did not improve by more than min_delta for patience steps; see best_params."
    ),
    FitStatus.NON_FINITE_LOSS: (
        "the loss became NaN or infinite; params are the last ones with a finite loss. Lower the learning rate, clip "
        "gradients "
        "(optax.clip_by_global_norm), or look for log, sqrt or division at the edge of their domain in loss_fn."
    ),
    FitStatus.NON_FINITE_UPDATE: (
        "the loss is finite, but its gradient or the optimizer's update is not; params are those it was computed at. "
        "Look for jnp.where over an invalid branch, sqrt or norm at 0 in loss_fn, or clip gradients "
        "(optax.clip_by_global_norm)."
    ),
    FitStatus.SOLVER_FAILED: (
        "the Optimistix solver reported a failure (singular or non-finite step). Try another solver, scaling or start."
    ),
    FitStatus.MAX_STEPS: (
        "the solver did not meet its rtol and atol in num_steps steps. Raise num_steps or loosen the tolerances."
    ),
    FitStatus.INTERRUPTED: (
        "stopped by the keyboard; params are those of the last finished block. Call again with the same checkpoint to "
        "go on."
    ),
    FitStatus.OUT_OF_BATCHES: (
        "the iterator of batches ended before num_steps. Give a list or a callable step -> batch to go through the "
        "data again."
    ),
}
