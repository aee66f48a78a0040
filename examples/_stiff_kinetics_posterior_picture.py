"""The picture of the stiff kinetics posterior: bands of concentrations, and pairs of rates."""

import numpy as np
from _picture import BLUE, GREEN, VERMILION, headed_figure, save

TIMES = np.logspace(-2, 4, 12)


def percent(sd):
    """Of a value whose decimal logarithm has this deviation."""
    return 100 * (10**sd - 1)


def draw(path, report, curves):
    """Draw all panels and save them."""
    rates = report["solves_per_second"]
    worst = max(row["sd"] for row in report["estimates"].values())
    headline = (
        f"Each rate is known to {percent(worst):.0f} % or better, one combination of them to "
        f"{percent(report['best_known']['sd']):.1f} %"
    )
    subtitle = (
        f"Metropolis with Rodas5P inside, acceptance {report['acceptance']:.2f}: 64 chains in one batch make "
        f"{rates['64']:,.0f} stiff solves a second, one alone {rates['1']:,.0f}"
    )
    figure = headed_figure((12.5, 4.8), headline, subtitle)
    grid = figure.add_gridspec(1, 3)
    axes = figure.add_subplot(grid[0])
    for i, (name, color) in enumerate({"A": BLUE, "B": VERMILION, "C": GREEN}.items()):
        low, high = np.quantile(curves["paths"][..., i], [0.05, 0.95], axis=0)
        axes.fill_between(TIMES, low, high, color=color, alpha=0.3, lw=0)
        axes.plot(TIMES, curves["data"][:, i], "o", color=color, ms=3, label=name)
    axes.set(xscale="log", yscale="log", xlabel="Seconds", title="Concentrations and 90 % bands")
    axes.legend(frameon=False)
    rows = list(report["estimates"].items())
    for place, (i, j) in enumerate([(0, 2), (1, 2)], start=1):
        axes = figure.add_subplot(grid[place])
        axes.plot(curves["flat"][::4, i], curves["flat"][::4, j], ".", color=BLUE, alpha=0.25, ms=3)
        axes.plot(rows[i][1]["true"], rows[j][1]["true"], "+", color=VERMILION, ms=14, mew=2, label="true")
        axes.set(xlabel=f"log10 of the {rows[i][0]} rate", ylabel=f"log10 of the {rows[j][0]} rate")
        axes.legend(frameon=False)
    save(figure, path)
