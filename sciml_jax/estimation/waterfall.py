"""The waterfall picture of a multistart search."""

from typing import Any

import numpy as np


def waterfall(fit: Any, ax: Any = None) -> Any:
    """Draw the cost of every start, best first, above the best cost: a plateau at the left is a minimum found often.

    Parameters
    ----------
    fit
        A concrete `Estimate`.
    ax
        Matplotlib axes; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ImportError
        Without matplotlib (the `plot` extra).
    """
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=(5, 3.5))[1]
    cost, status = np.asarray(fit.starts.cost), np.asarray(fit.starts.status)
    place, finite = 1 + np.arange(cost.size), np.isfinite(cost)
    above = cost - cost[0] + max(1e-10 * abs(cost[0]), 1e-12)
    for kind, mark, label in ((status == 0, "o", "converged"), (status != 0, "x", "not converged")):
        chosen = finite & kind
        if np.any(chosen):
            ax.plot(place[chosen], above[chosen], mark, color="C0" if mark == "o" else "C1", label=label)
    if not np.all(finite):
        ax.plot([], [], " ", label=f"{int(np.sum(~finite))} could not be solved")
    ax.set(xlabel="start, in order", ylabel="cost above the best", yscale="log")
    ax.legend()
    return ax
