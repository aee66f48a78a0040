"""How an estimation ended."""

import enum


class EstimationStatus(enum.IntEnum):
    """How an estimation ended; ``str()`` gives the reason and the remedy."""

    CONVERGED = 0
    UNIDENTIFIABLE = 1
    MAX_STEPS = 2
    STALLED = 3
    NO_START_SUCCEEDED = 4
    NOT_JOINED = 5

    @property
    def is_success(self) -> bool:
        """Whether a minimum was found that determines all parameters."""
        return self is EstimationStatus.CONVERGED

    @property
    def message(self) -> str:
        """The reason and, for a failure, the remedy."""
        return _MESSAGES[self]

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


_MESSAGES = {
    EstimationStatus.CONVERGED: "a minimum was found, and the data determine all parameters.",
    EstimationStatus.UNIDENTIFIABLE: (
        "a minimum was found, but the data do not determine all parameters: those whose standard error is infinite can "
        "change together without changing the predictions. Fix one of them, observe more, or pass a `prior`."
    ),
    EstimationStatus.MAX_STEPS: (
        "the best start did not converge within the iterations. Raise them, "
        "`optimizer=sj.training.BoundedLevenbergMarquardt(max_steps=...)`, or take more starts."
    ),
    EstimationStatus.STALLED: (
        "the best start came to where no step decreases the misfit, though its gradient is not zero. The solves are "
        "probably too inexact: tighten `rtol` and `atol`, or look for a kink in the model."
    ),
    EstimationStatus.NO_START_SUCCEEDED: (
        "the model could not be solved at any start, so there is nothing to improve; the parameters are NaN. Tighten "
        "the "
        "bounds, take more starts or a stiff method, and solve the problem once by itself to see its status."
    ),
    EstimationStatus.NOT_JOINED: (
        "the segments of multiple shooting do not join: the constraints are violated by more than the tolerance. Take "
        "more segments, more rounds, or better starts; the model may not be able to follow the data."
    ),
}
