"""The picture of the CDE example: series with gaps, how sure the model is, the losses."""

import numpy as np
from _picture import headed_figure, save

from sciml_jax import training

COLORS = {1.0: "#0072B2", 0.0: "#D55E00"}  # left, right; told apart by colour-blind readers too


def draw(path, report, curves):
    """Draw all panels and save them."""
    p = report["paths"]
    headline = (
        f"Left or right? {report['accuracy']:.1%} of new spirals, {report['missing']:.0%} of their values missing"
    )
    subtitle = (
        f"NeuralCDE, {report['steps']} steps of Adam. Straight lines through noisy, irregular data: "
        f"{p['linear']['steps']:.0f} solver steps per series, smooth ones {p['hermite']['steps']:.0f}: a gradient is "
        f"{p['hermite']['seconds'] / p['linear']['seconds']:.0f} times faster"
    )
    figure = headed_figure((12.5, 4.8), headline, subtitle)
    axes = figure.subplots(1, 3)
    series(axes[0], curves["test"])
    certainty(axes[1], curves)
    training.loss_curve(curves["result"], axes[2])
    axes[2].set_title("Training")
    save(figure, path)


def series(axes, test):
    """Two spirals of each kind; a cross where one coordinate is missing."""
    left = np.asarray(test["left"])
    for kind, color in COLORS.items():
        for row in np.flatnonzero(left == kind)[:2]:
            xs = np.asarray(test["xs"][row])
            whole = xs[~np.isnan(xs).any(axis=1)]
            axes.plot(*whole.T, "o-", color=color, ms=4, lw=0.8)
            axes.plot(*whole[0], "o", color=color, ms=9, mfc="none")
    axes.set(title="Points with both coordinates (circle: the first)", aspect="equal", xlabel="$x$", ylabel="$y$")


def certainty(axes, curves):
    """The probability of "left" over time, and the share of right answers."""
    test, probabilities = curves["test"], np.asarray(curves["probabilities"])
    for row in range(40):
        axes.plot(test["ts"][row], probabilities[row], color=COLORS[float(test["left"][row])], lw=0.7, alpha=0.6)
    axes.set(title="Probability of left while data arrive (blue: is left)", xlabel="Time", ylim=(-0.02, 1.02))
