"""How a training run ended."""

from ..core.worded_status import WordedStatus


class FitStatus(WordedStatus):
    """How a training run ended; ``str()`` gives the reason and the remedy.

    `training.run` returns the code as an integer array (one per lane under ``vmap``): ``FitStatus(int(code))``.
    """

    COMPLETED = 0, "all num_steps steps were taken."
    CONVERGED = 1, "the solver met its rtol and atol."
    EARLY_STOP = 2, "the watched loss did not improve by more than min_delta for patience steps; see best_params."
    NON_FINITE_LOSS = (
        3,
        "the loss became NaN or infinite; params are the last ones with a finite loss. Lower the learning rate, "
        "clip gradients (optax.clip_by_global_norm), or look for log, sqrt or division at the edge of their domain "
        "in loss_fn.",
    )
    NON_FINITE_UPDATE = (
        4,
        "the loss is finite, but its gradient or the optimizer's update is not; params are those it was computed "
        "at. Look for jnp.where over an invalid branch, sqrt or norm at 0 in loss_fn, or clip gradients "
        "(optax.clip_by_global_norm).",
    )
    SOLVER_FAILED = (
        5,
        "the Optimistix solver reported a failure (singular or non-finite step). Try another solver, scaling or start.",
    )
    MAX_STEPS = (
        6,
        "the solver did not meet its rtol and atol in num_steps steps. Raise num_steps or loosen the tolerances.",
    )
    INTERRUPTED = (
        7,
        "stopped by the keyboard; params are those of the last finished block. Call again with the same checkpoint "
        "to go on.",
    )
    OUT_OF_BATCHES = (
        8,
        "the iterator of batches ended before num_steps. Give a list or a callable step -> batch to go through the "
        "data again.",
    )

    @property
    def is_success(self) -> bool:
        """Whether the run ended as asked: all steps taken, converged, or stopped early by ``patience``."""
        return self in (FitStatus.COMPLETED, FitStatus.CONVERGED, FitStatus.EARLY_STOP)
