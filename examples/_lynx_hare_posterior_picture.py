"""The picture of the lynx and hare example: bands through the pelts, and two rates that are known only together."""

import numpy as np
from _picture import BLUE, VERMILION, headed_figure, save


def draw(path, report, curves):
    """Draw all panels and save them."""
    s = report["gradient_seconds"]
    subtitle = (
        f"Four chains of NUTS with the solver inside: {report['divergences']} divergences, "
        f"{report['gradients_per_draw']:.0f} gradients a draw; a gradient is {s['forward'] / s['reverse']:.1f} times "
        "faster in reverse than forwards"
    )
    headline = f"{100 * report['inside_90_percent']:.0f} % of the pelts lie inside the 90 % bands"
    figure = headed_figure((12.5, 5.2), headline, subtitle)
    grid = figure.add_gridspec(2, 2, width_ratios=[2.1, 1])
    data = curves["draws"].posterior.likelihood.observed
    for i, (name, color) in enumerate({"Hares": BLUE, "Lynxes": VERMILION}.items()):
        axes = figure.add_subplot(grid[i, 0])
        low, high = np.quantile(curves["again"][..., i], [0.05, 0.95], axis=0)
        top = 1.3 * float(high.max())  # room for the legend above the bands
        axes.fill_between(1900 + np.arange(21), low, high, color=color, alpha=0.18, lw=0, label="90 % of new pelts")
        low, high = np.quantile(curves["paths"][..., i], [0.05, 0.95], axis=0)
        axes.fill_between(curves["years"], low, high, color=color, alpha=0.4, lw=0, label="90 % of populations")
        axes.plot(curves["years"], np.median(curves["paths"][..., i], axis=0), color=color, lw=1.5)
        axes.plot(1900 + np.arange(21), data[:, i], "o", color="0.2", ms=4, label="measured")
        axes.set(title=f"{name}, thousands of pelts", xlim=(1900, 1920), xticks=range(1900, 1921, 4), ylim=(0, top))
        axes.legend(frameon=False, ncols=3, fontsize=8, loc="upper left")
    axes = figure.add_subplot(grid[:, 1])
    theta = np.asarray(curves["draws"].samples["theta"]).reshape(-1, 4)
    axes.plot(theta[:, 0], theta[:, 2], ".", color=BLUE, alpha=0.3, ms=4)
    axes.plot(0.546864, 0.800095, "+", color=VERMILION, ms=14, mew=2, label="published mean")
    (left, right), (bottom, top) = np.quantile(theta[:, [0, 2]], [0.002, 0.998], axis=0).T
    axes.set(xlim=(left - 0.03, right + 0.03), ylim=(bottom - 0.05, top + 0.1))
    axes.set(xlabel="Birth of hares, 1/year", ylabel="Death of lynxes, 1/year", title="Known only together")
    axes.legend(frameon=False)
    save(figure, path)
