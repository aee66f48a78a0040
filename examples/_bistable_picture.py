"""The picture of the neural SDE example: distributions over time, the force, the losses."""

import numpy as np
from _picture import BLUE, GREY, VERMILION, headed_figure, save

from sciml_jax import training

BINS = np.linspace(-2.0, 2.2, 43)


def draw(path, report, curves):
    """Draw all panels and save them."""
    headline = f"Force and noise from snapshots: noise {report['noise']:.2f} (true {report['true_noise']})"
    sra, euler = (report["methods"][name] for name in ("SRA1", "EulerMaruyama"))
    subtitle = (
        f"NeuralSDE, {report['steps']} steps of Adam on Wasserstein distances. SRA1: {sra['steps']} steps a path where "
        f"EulerMaruyama takes {euler['steps']}: a gradient {euler['seconds'] / sra['seconds']:.1f} times faster"
    )
    figure = headed_figure((12.5, 6.2), headline, subtitle)
    grid = figure.add_gridspec(2, 6, height_ratios=[1, 1.4])
    for i, time in enumerate(curves["times"]):
        snapshot(figure.add_subplot(grid[0, i]), curves, i, time)
    force(figure.add_subplot(grid[1, :3]), curves)
    axes = training.loss_curve(curves["result"], figure.add_subplot(grid[1, 3:]))
    axes.set_title("Training: squared distance of the distributions")
    save(figure, path)


def snapshot(axes, curves, i, time):
    """One time: data and model."""
    axes.hist(curves["data"][:, i], BINS, density=True, color=GREY, alpha=0.6, label="data")
    axes.hist(curves["model"][:, i], BINS, density=True, color=BLUE, histtype="step", lw=1.5, label="model")
    axes.set(title=f"t = {time:g}", yticks=[], xlabel="$x$")
    axes.spines["left"].set_visible(False)
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
