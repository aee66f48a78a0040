"""The picture of the example in many dimensions: values against exact ones, losses, time per step."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (after the choice of a backend that needs no display)
import numpy as np  # noqa: E402
from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: E402

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "0.6"  # told apart by colour-blind readers too


def draw(path, report, curves):
    """Draw all panels."""
    plt.rcParams.update({"font.size": 10, "axes.titlesize": 11, "axes.titlelocation": "left"})
    figure = plt.figure(figsize=(12.5, 4.6), layout=ConstrainedLayoutEngine(rect=(0, 0, 1, 0.86)))
    title = f"A nonlinear equation in {report['dimensions']:,} dimensions"
    figure.text(0.01, 0.97, title, fontsize=15, fontweight="bold", va="top")
    most = max(curves["timed"])
    ratio = curves["timed"][most]["summed"] / curves["timed"][most]["estimated"]
    figure.text(
        0.01, 0.89,
        f"Relative error {report['relative_error']:.1e} after {report['steps']} steps in "
        f"{report['seconds_of_training']:.0f} s; the estimated Laplacian makes a step {ratio:.0f} times faster than "
        f"the summed one at d = {most:,}",
        va="top", color="0.25",
    )  # fmt: skip
    panels = figure.subplots(1, 3)
    values(panels[0], curves)
    losses(panels[1], curves)
    times(panels[2], curves["timed"])
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def values(axes, curves):
    """The network at random points against the solution."""
    ends = [curves["truth"].min(), curves["truth"].max()]
    axes.plot(ends, ends, color=GREY, lw=1)
    axes.plot(curves["truth"], curves["found"], ".", color=BLUE, ms=3)
    axes.set(title="At 1,000 random points of the ball", xlabel="exact", ylabel="network")


def losses(axes, curves):
    """The loss of every step, and its mean over twenty."""
    loss = np.asarray(curves["losses"])
    axes.loglog(np.arange(1, len(loss) + 1), loss, color=GREY, lw=0.6)
    mean = np.convolve(loss, np.ones(20) / 20, mode="valid")
    axes.loglog(np.arange(20, len(loss) + 1), mean, color=BLUE, lw=1.4)
    axes.set(title="Mean square of the residual over $2 d^{3/2}$", xlabel="Step")


def times(axes, timed):
    """Time per step over the dimension."""
    d = list(timed)
    for name, color in (("summed", VERMILION), ("estimated", BLUE)):
        axes.loglog(d, [1e3 * timed[n][name] for n in d], "o-", color=color, label=name)
    axes.set(title="Milliseconds per step", xlabel="Dimensions d")
    axes.legend(frameon=False)
