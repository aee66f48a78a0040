"""Work-precision curves: time against achieved error, read off at one error for every method.

Errors of one run scatter by a factor of ten between neighbouring tolerances, above all on chaotic problems. Taking each
method at the loosest tolerance that happens to be good enough rewards luck, so the curve is read through a straight
line in the logarithms, fitted to the points nearest the error that is asked for.
"""

import numpy as np

NEAREST = 7


def straight_line(x, y, at: float, nearest: int = NEAREST) -> float:
    """The value at `at` of the least-squares line through the `nearest` points of (x, y)."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    order = np.argsort(np.abs(x - at))[:nearest]
    if np.ptp(x[order]) == 0.0:
        return float(np.mean(y[order]))
    slope, offset = np.polyfit(x[order], y[order], 1)
    return float(slope * at + offset)


def usable(points: list[dict]) -> list[dict]:
    """Points above the floor of rounding: from the loosest tolerance down to the smallest error, finite and below 1."""
    good = [p for p in points if np.isfinite(p["error"]) and 0.0 < p["error"] < 0.5]
    if not good:
        return []
    best = min(range(len(good)), key=lambda i: good[i]["error"])
    return good[: best + 1]


def error_at(points: list[dict], rtol: float) -> float:
    """The typical error at a relative tolerance."""
    good = usable(points)
    rtols, errors = np.log10([p["rtol"] for p in good]), np.log10([p["error"] for p in good])
    return 10.0 ** straight_line(rtols, errors, np.log10(rtol))


def read_at(points: list[dict], error: float, what: str) -> float | None:
    """`what` ("seconds" or "rtol") at an error; None where the method does not reach the error.

    A method that is more accurate than that in every run that succeeded is taken at the loosest of them.
    """
    good = usable(points)
    if len(good) < 3:
        return None
    errors = np.log10([p["error"] for p in good])
    if np.log10(error) > errors.max() + 0.5:
        return good[0][what]
    # Half a decade of extrapolation covers the scatter; more would be invention.
    if np.log10(error) < errors.min() - 0.5:
        return None
    return 10.0 ** straight_line(errors, np.log10([p[what] for p in good]), np.log10(error))
