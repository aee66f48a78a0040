"""Coefficients of Adams methods on unequal steps: integrals of Newton's basis, as scalars written out.

Times are counted back from the end of a step: `x_(n+1)` is its end, `x_n` its beginning, and `past[i] = x_(n-i) -
x_(n-i-1)` are the steps before it. Everything here is exact for any steps in one direction; nothing assumes that they
are equal. Written out as scalars, twelve orders take 0.07 us in a loop on the CPU; as small vectors they take the same
alone and five times as long in a batch.

References
----------
Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I (1993), III.5. Krogh, Changing stepsize in the
integration of differential equations using modified divided differences, Lecture Notes in Mathematics 362 (1974) 22-71.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any


def distances(h: Any, past: Sequence[Any]) -> list:
    """`x_(n+1) - x_(n-i)` for i = 0, ..., len(past)."""
    return list(accumulate([h, *past]))


def rescalings(h: Any, past: Sequence[Any], size: int) -> list:
    """`beta_j = prod_(i<j) (x_(n+1) - x_(n-i)) / (x_n - x_(n-i-1))` for j < size.

    Times the differences of the last step, they give the differences in the scaling of this one.
    """
    ahead, behind = distances(h, past), list(accumulate(past))
    betas = [1.0]
    for i in range(size - 1):
        betas.append(betas[-1] * (ahead[i] / behind[i]))
    return betas


def prediction_weights(h: Any, past: Sequence[Any], size: int) -> list:
    """`g_j = 1/h int_(x_n)^(x_(n+1)) prod_(i<j) (x - x_(n-i)) / (x_(n+1) - x_(n-i)) dx` for j < size.

    With equal steps these are 1, 1/2, 5/12, 3/8, 251/720, ...: the weights of backward differences.
    """
    ahead = distances(h, past)
    # column[q - 1] is the q-fold integral times (q - 1)!/h^q. Integrating by parts lowers the degree; the first two
    # columns, 1/q and 1/(q (q + 1)), depend on no step.
    weights: list[Any] = [1.0]
    column: list[Any] = [1 / (q * (q + 1)) for q in range(1, size)]
    for j in range(1, size):
        if j > 1:
            ratio = h / ahead[j - 1]
            column = [low - ratio * high for low, high in zip(column, column[1:], strict=False)]
        weights.append(column[0])
    return weights


def interpolation_weights(h: Any, past: Sequence[Any], fraction: Any, size: int) -> list:
    """`1/h int_(x_n)^(x_n + fraction h) prod_(i<j) (x - x_(n+1-i)) / (x_(n+1) - x_(n-i)) dx` for j < size.

    The nodes begin with the end of the step, so that these go with the differences at its end.
    """
    ahead = distances(h, past)
    power = fraction
    column = []
    for q in range(1, size + 1):
        column.append(power / q)
        power = power * fraction
    weights = [column[0]]
    behind = (fraction - 1) * h
    for j in range(1, size):
        # behind = x - x_(n+2-j), the distance to the node that this factor vanishes at.
        if j > 1:
            behind = fraction * h if j == 2 else fraction * h + (ahead[j - 2] - h)
        shift, ratio = behind / ahead[j - 1], h / ahead[j - 1]
        column = [shift * low - ratio * high for low, high in zip(column, column[1:], strict=False)]
        weights.append(column[0])
    return weights
