"""How the training of a physics-informed network ended."""

from ..core.worded_status import WordedStatus


class PINNStatus(WordedStatus):
    """How a training ended; ``str()`` gives the reason and, for a failure, the remedy."""

    COMPLETED = 0, "all steps were taken; `error_estimate` says how wrong the solution is."
    CONVERGED = 1, "the estimated error fell below `rtol` before all steps were taken."
    NOT_REACHED = (
        2,
        "all steps were taken, and the estimated error is above the `rtol` that was asked for. Take more steps and "
        "points, `sj.pinn.PINN(num_steps=..., num_points=...)`, or a wider network.",
    )
    STALLED = (
        3,
        "no step decreases the loss any more. The network may be too small, or the precision exhausted: use a wider "
        "network, or float64.",
    )
    NON_FINITE = (
        4,
        "the residual is NaN or infinite at the start, so nothing could be trained. Look for division by zero, roots "
        "and logarithms of negative numbers in the residual and the conditions.",
    )

    @property
    def is_success(self) -> bool:
        """Whether the training ended as asked."""
        return self in (PINNStatus.COMPLETED, PINNStatus.CONVERGED)
