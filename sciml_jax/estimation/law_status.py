"""How a sparse regression ended."""

from ..core.worded_status import WordedStatus


class LawStatus(WordedStatus):
    """How a sparse regression ended; ``str()`` gives the reason and the remedy.

    It is `law.status`, and what `print(law)` adds below the equations where something is wrong.
    """

    FOUND = 0, "a sparse law was found."
    NO_TERMS = (
        1,
        "no candidate is left in an equation: every coefficient was below `threshold` or not told apart from zero. "
        "Lower `threshold`, rescale the data so that coefficients are of order one, or add candidates; if the "
        "quantity does not change, this is the answer.",
    )
    ILL_CONDITIONED = (
        2,
        "the data do not tell the candidates apart: some are combinations of others along these trajectories (a "
        "conserved quantity, a closed orbit, equal variables, too high a degree). Take data from other initial "
        "states, fewer candidates, or `STLSQ(ridge=...)`.",
    )
    NOT_CONVERGED = (
        3,
        "the set of terms still changed at the last iteration. Raise `max_iterations`, or change `threshold`: a "
        "coefficient lies near it.",
    )
    NON_FINITE = (
        4,
        "a candidate or a derivative is NaN or infinite on the data. Look for division by zero, log or sqrt of "
        "negative numbers, or overflow in the library.",
    )

    @property
    def is_success(self) -> bool:
        """Whether every equation has terms that the data determine."""
        return self is LawStatus.FOUND
