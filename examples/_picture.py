"""What the pictures of the examples share: colours, a figure under a headline, a panel of estimates."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (after the choice of a backend that needs no display)
import numpy as np  # noqa: E402
from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: E402

BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "0.55"  # told apart by colour-blind readers too


def headed_figure(size, headline, subtitle, **layout):
    """A figure of `size` inches with a bold headline and a line below it; panels are laid out under both."""
    plt.rcParams.update({"font.size": 10, "axes.titlesize": 11, "axes.titlelocation": "left"})
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    height = size[1]
    figure = plt.figure(figsize=size, layout=ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - 0.74 / height), **layout))
    figure.text(0.01, 1 - 0.15 / height, headline, fontsize=15, fontweight="bold", va="top")
    figure.text(0.01, 1 - 0.53 / height, subtitle, va="top", color="0.25")
    return figure


def save(figure, path):
    """Write the figure and forget it."""
    figure.savefig(path, dpi=150)
    plt.close(figure)


def estimates(axes, rows, title):
    """Every estimate over its truth with two standard errors; `rows`: name -> estimate, true, standard_error."""
    places = np.arange(len(rows))[::-1]
    for place, row in zip(places, rows.values(), strict=True):
        ratio, width = row["estimate"] / row["true"], 2 * row["standard_error"] / row["true"]
        axes.errorbar(ratio, place, xerr=width, fmt="o", color=BLUE, capsize=3)
    axes.axvline(1.0, color="0.2", lw=1)
    axes.set(yticks=places, yticklabels=list(rows), xlabel="Estimate over truth, two standard errors", title=title)
