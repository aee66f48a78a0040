"""How a least-squares minimisation ended."""

from ..core.worded_status import WordedStatus


class LeastSquaresStatus(WordedStatus):
    """How a least-squares minimisation ended; ``str()`` gives the reason and the remedy.

    The result holds the code as an integer array (one per lane under ``vmap``): ``LeastSquaresStatus(int(code))``.
    """

    CONVERGED = 0, "the tolerances on the gradient, the step or the decrease were met."
    STALLED = (
        1,
        "no step, however short, decreased the sum of squares, though its gradient is not zero. The residuals may "
        "be noisy (tighten the tolerances of a solve inside), discontinuous, or not finite all around: look at the "
        "derivative there.",
    )
    MAX_STEPS = (
        2,
        "the tolerances were not met within max_steps iterations; the result is the best point so far. Raise "
        "max_steps, start nearer, or scale the parameters (a Log transform for rates).",
    )
    NON_FINITE_START = (
        3,
        "the residuals or their derivatives are NaN or infinite at the start, so there is nowhere to go. Start "
        "elsewhere, or tighten the bounds.",
    )

    @property
    def is_success(self) -> bool:
        """Whether a minimum within the bounds was found."""
        return self is LeastSquaresStatus.CONVERGED
