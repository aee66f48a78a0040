"""How an estimation ended."""

from ..core.worded_status import WordedStatus


class EstimationStatus(WordedStatus):
    """How an estimation ended; ``str()`` gives the reason and the remedy."""

    CONVERGED = 0, "a minimum was found, and the data determine all parameters."
    UNIDENTIFIABLE = (
        1,
        "a minimum was found, but the data do not determine all parameters: those whose standard error is infinite "
        "can change together without changing the predictions. Fix one of them, observe more, or pass a `prior`.",
    )
    MAX_STEPS = (
        2,
        "the best start did not converge within the iterations. Raise them, "
        "`optimizer=sj.training.BoundedLevenbergMarquardt(max_steps=...)`, or take more starts.",
    )
    STALLED = (
        3,
        "the best start came to where no step decreases the misfit, though its gradient is not zero. The solves "
        "are probably too inexact: tighten `rtol` and `atol`, or look for a kink in the model.",
    )
    NO_START_SUCCEEDED = (
        4,
        "the model could not be solved at any start, so there is nothing to improve; the parameters are NaN. "
        "Tighten the bounds, take more starts or a stiff method, and solve the problem once by itself to see its "
        "status.",
    )
    NOT_JOINED = (
        5,
        "the segments of multiple shooting do not join: the constraints are violated by more than the tolerance. "
        "Take more segments, more rounds, or better starts; the model may not be able to follow the data.",
    )

    @property
    def is_success(self) -> bool:
        """Whether a minimum was found that determines all parameters."""
        return self is EstimationStatus.CONVERGED
