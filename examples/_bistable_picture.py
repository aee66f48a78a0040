"""The picture of the neural SDE example: distributions over time, the force, the losses."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (after the choice of a backend that needs no display)
import numpy as np  # noqa: E402
from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: E402

from sciml_jax import training  # noqa: E402

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "0.6"  # told apart by colour-blind readers too
BINS = np.linspace(-2.0, 2.2, 43)


def draw(path, report, curves):
    """Draw all panels and save them."""
    plt.rcParams.update({"font.size": 10, "axes.titlesize": 11, "axes.titlelocation": "left"})
    figure = plt.figure(figsize=(12.5, 6.2), layout=ConstrainedLayoutEngine(rect=(0, 0, 1, 0.88)))
    headline = f"Force and noise from snapshots: noise {report['noise']:.2f} (true {report['true_noise']})"
    figure.text(0.01, 0.98, headline, fontsize=15, fontweight="bold", va="top")
    sra, euler = (report["methods"][name] for name in ("SRA1", "EulerMaruyama"))
    figure.text(
        0.01, 0.92,
        f"NeuralSDE, {report['steps']} steps of Adam on Wasserstein distances. SRA1: {sra['steps']} steps a path where "
        f"EulerMaruyama takes {euler['steps']}: a gradient {euler['seconds'] / sra['seconds']:.1f} times faster",
        va="top", color="0.25",
    )  # fmt: skip
    grid = figure.add_gridspec(2, 6, height_ratios=[1, 1.4])
    for i, time in enumerate(curves["times"]):
        snapshot(figure.add_subplot(grid[0, i]), curves, i, time)
    force(figure.add_subplot(grid[1, :3]), curves)
    axes = training.loss_curve(curves["result"], figure.add_subplot(grid[1, 3:]))
    axes.set_title("Training: squared distance of the distributions")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def snapshot(axes, curves, i, time):
    """One time: data and model."""
    axes.hist(curves["data"][:, i], BINS, density=True, color=GREY, alpha=0.6, label="data")
    axes.hist(curves["model"][:, i], BINS, density=True, color=BLUE, histtype="step", lw=1.5, label="model")
    axes.set(title=f"t = {time:g}", yticks=[], xlabel="$x$")
    axes.spines[["top", "right", "left"]].set_visible(False)
    if i == 0:
        axes.legend(frameon=False, fontsize=9, loc="upper right")


def force(axes, curves):
    """The learned drift over the true one; dotted where few particles are."""
    x, inside = np.asarray(curves["grid"]), np.asarray(curves["inside"])
    axes.plot(x, curves["true"], color=GREY, lw=4, label="true")
    axes.plot(x, curves["learned"], color=VERMILION, lw=1.2, ls=":")
    axes.plot(x[inside], np.asarray(curves["learned"])[inside], color=VERMILION, lw=2, label="learned")
    axes.axhline(0.0, color="0.2", lw=0.7)
    axes.set(title="Force (dotted: beyond 96 % of the particles)", xlabel="$x$", ylim=(-2.0, 2.0))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
