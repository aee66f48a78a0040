"""The picture of the Burgers example: solution, true and estimated error, front, losses."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (after the choice of a backend that needs no display)
import numpy as np  # noqa: E402
from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: E402

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "0.6"  # told apart by colour-blind readers too


def draw(path, report, curves):
    """Draw all panels."""
    plt.rcParams.update({"font.size": 10, "axes.titlesize": 11, "axes.titlelocation": "left"})
    figure = plt.figure(figsize=(12.5, 7.2), layout=ConstrainedLayoutEngine(rect=(0, 0, 1, 0.9)))
    figure.text(0.01, 0.98, "A network solves Burgers' equation", fontsize=15, fontweight="bold", va="top")
    adam = report["adam"]
    figure.text(
        0.01, 0.935,
        f"Relative error {report['relative_error']:.1e} after {report['steps']} Levenberg-Marquardt steps "
        f"({report['seconds']:.0f} s), estimated {report['estimated_relative_error']:.1e} by the network itself; "
        f"Adam: {adam['relative_error']:.1e} after {adam['steps']} steps ({adam['seconds']:.0f} s)",
        va="top", color="0.25",
    )  # fmt: skip
    panels = figure.subplots(2, 2)
    front(panels[0, 0], curves)
    losses(panels[0, 1], curves)
    error = np.asarray(curves["found"] - curves["exact"])
    bound = float(np.quantile(np.abs(error), 0.995))
    field(figure, panels[1, 0], curves, error, bound, "True error")
    field(figure, panels[1, 1], curves, curves["estimated_error"], bound, "Estimated error")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def front(axes, curves):
    """The solution over space at four times."""
    for number, time in enumerate((0.01, 0.25, 0.5, 1.0)):
        row = int(np.argmin(np.abs(curves["t"] - time)))
        axes.plot(curves["x"], curves["exact"][row], color=GREY, lw=3, label="exact" if number == 0 else None)
        axes.plot(curves["x"], curves["found"][row], color=BLUE, lw=1.2, label="network" if number == 0 else None)
    axes.set(title="u(x) at t = 0.01, 0.25, 0.5, 1: the front steepens", xlabel="x")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def losses(axes, curves):
    """The loss of every step."""
    for (name, loss), color in zip(curves["losses"].items(), (BLUE, VERMILION), strict=True):
        axes.loglog(np.arange(1, len(loss) + 1), loss, color=color, lw=1, label=name)
    axes.set(title="Weighted mean square of the residual", xlabel="Step")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def field(figure, axes, curves, error, bound, title):
    """An error over time and space."""
    scale = {"cmap": "RdBu_r", "vmin": -bound, "vmax": bound, "shading": "auto"}
    image = axes.pcolormesh(curves["t"], curves["x"], np.asarray(error).T, rasterized=True, **scale)
    axes.set(title=title, xlabel="t", ylabel="x")
    figure.colorbar(image, ax=axes, format="%.0e")
