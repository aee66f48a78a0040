"""The picture of the trial function example: populations, errors, losses."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (after the choice of a backend that needs no display)
import numpy as np  # noqa: E402
from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: E402

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "0.6"  # told apart by colour-blind readers too


def draw(path, report, curves):
    """Draw all panels."""
    plt.rcParams.update({"font.size": 10, "axes.titlesize": 11, "axes.titlelocation": "left"})
    figure = plt.figure(figsize=(12.5, 4.6), layout=ConstrainedLayoutEngine(rect=(0, 0, 1, 0.84)))
    figure.text(0.01, 0.97, "A trial function solves the predators' and prey's equations", fontsize=15,
                fontweight="bold", va="top")  # fmt: skip
    fit, adam, solver = (report[name] for name in ("levenberg_marquardt", "adam", "solver"))
    figure.text(
        0.01, 0.89,
        f"Relative error {fit['relative_error']:.1e} by Levenberg-Marquardt in {fit['seconds']:.1f} s, "
        f"{adam['relative_error']:.1e} by Adam in {adam['seconds']:.1f} s, {solver['relative_error']:.1e} by a "
        f"Runge-Kutta method in {solver['seconds'] * 1e6:.0f} microseconds",
        va="top", color="0.25",
    )  # fmt: skip
    panels = figure.subplots(1, 3)
    populations(panels[0], curves)
    errors(panels[1], curves)
    losses(panels[2], curves)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def populations(axes, curves):
    """Both populations over time."""
    for column, (name, color) in enumerate((("prey", BLUE), ("predators", VERMILION))):
        axes.plot(curves["t"], curves["truth"][:, column], color=GREY, lw=3.5)
        axes.plot(curves["t"], curves["found"][:, column], color=color, lw=1.3, label=name)
    axes.set(title="$g(t) = y_0 + t\\,N(t)$ on the exact curves (grey)", xlabel="t", ylim=(0, 2.3))
    axes.legend(frameon=False, loc="upper center", ncols=2)


def errors(axes, curves):
    """The error of the trial functions over time."""
    for name, label, color in (("adam", "Adam", VERMILION), ("found", "Levenberg-Marquardt", BLUE)):
        size = np.linalg.norm(curves[name] - curves["truth"], axis=1)
        axes.semilogy(curves["t"][1:], size[1:], color=color, lw=1.2, label=label)
    axes.set(title="Error", xlabel="t")
    axes.legend(frameon=False)


def losses(axes, curves):
    """The loss of every step."""
    for (name, loss), color in zip(curves["losses"].items(), (BLUE, VERMILION), strict=True):
        axes.loglog(np.arange(1, len(loss) + 1), loss, color=color, lw=1, label=name)
    axes.set(title="Mean square of the residual", xlabel="Step")
    axes.legend(frameon=False)
