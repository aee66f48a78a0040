"""How a method for parabolic equations ended."""

from ..core.worded_status import WordedStatus


class BSDEStatus(WordedStatus):
    """Outcome of a solve; `str(sj.bsde.BSDEStatus(int(sol.status)))` says what happened and what to do."""

    SUCCESS = 0, "the values are finite and the error estimates apply."
    NON_FINITE = (
        1,
        "paths, the driver or the terminal value became NaN or infinite. Check them far from `x0` (log or root of a "
        "negative number, growth of the driver faster than linear in `u`), and take more steps.",
    )
    NOT_LINEAR = (
        2,
        "the driver is not affine in `u` and `z`, so the Feynman-Kac formula does not hold. Use "
        "`sj.bsde.MultilevelPicard()` or `sj.bsde.DeepBSDE()`.",
    )
    DIVERGED = (
        3,
        "the training became NaN or infinite. Lower `learning_rate`, take more steps in time, or scale the problem.",
    )
    NOT_CONVERGED = (
        4,
        "the error estimate is as large as the solution's own scale. Use more samples, levels or training steps.",
    )

    @property
    def is_success(self) -> bool:
        """Whether the solve ended as asked."""
        return self is BSDEStatus.SUCCESS
