"""A picture of a stability region."""

from typing import Any

import numpy as np

from .region import stability_region

STABLE, EDGE, STAR = "#0072B2", "#00466e", "#D55E00"
SQUARE_UP_TO = 6.0
"""Ratio of the sides up to which both axes have the same scale."""


def plot_stability_region(
    method: Any,
    ax: Any = None,
    *,
    bounds: tuple[float, float, float, float] | None = None,
    resolution: int = 301,
    order_star: bool = False,
) -> Any:
    """Draw where `|R(z)| <= 1`, the stability region of a method, in the complex plane of `z = h lambda`.

    Parameters
    ----------
    method, bounds, resolution
        As in `stability_region`.
    ax
        Matplotlib axes to draw on. None makes a new figure.
    order_star
        Draw also the edge of the order star, `|R(z)| = |e^z|`: for a method of order p, p + 1 sectors inside it meet in
        the origin, and p + 1 outside.

    Returns
    -------
    matplotlib.axes.Axes
        What was drawn on; `ax.figure.savefig(path)` keeps it.

    Raises
    ------
    ImportError
        Without Matplotlib, which the extra `plot` installs.
    TypeError, ValueError
        As `stability_region`.

    References
    ----------
    Hairer & Wanner, Solving Ordinary Differential Equations II (1996), IV.2 and IV.4.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        msg = "`plot_stability_region` needs Matplotlib, which is not installed. Install `sciml_jax[plot]`."
        raise ImportError(msg) from error
    region = stability_region(method, bounds=bounds, resolution=resolution)
    ax = plt.subplots(layout="constrained")[1] if ax is None else ax
    x, y = np.real(region.z), np.imag(region.z)
    # A finite number in the place of infinity: contours between the two lie where they should.
    growth = np.minimum(region.growth, 1e3)
    ax.contourf(x, y, growth, levels=[0.0, 1.0], colors=[STABLE], alpha=0.25)
    ax.contour(x, y, growth, levels=[1.0], colors=[EDGE], linewidths=1.5)
    if order_star:
        ax.contour(x, y, np.minimum(region.order_star, 1e3), levels=[1.0], colors=[STAR], linewidths=1.0)
    for line in (ax.axhline, ax.axvline):
        line(0.0, color="0.4", lw=0.7, zorder=0)
    width, height = np.ptp(x), np.ptp(y)
    ax.set_aspect("equal" if 1 / SQUARE_UP_TO < width / height < SQUARE_UP_TO else "auto")
    ax.set(xlabel=r"Re $h\lambda$", ylabel=r"Im $h\lambda$", title=region.name)
    return ax
