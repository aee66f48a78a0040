"""The picture of the parallel fit: data and fit, all starts, and the costs of batches, chunks and messages."""

import numpy as np
from _picture import BLUE, GREEN, GREY, VERMILION, headed_figure, save


def draw(path, report, curves):
    """Draw all panels."""
    b = report["batch"]
    share = b["seconds"][0] * b["solves_per_second"]
    title = "A fit from many starts, and what running in parallel costs"
    text = (
        f"Bounded Levenberg-Marquardt from {report['fit']['starts']} starts in one program. A solve in a large batch "
        f"costs 1/{share:.0f} of one alone: the fixed cost of a call is shared"
    )
    figure = headed_figure((13, 7.4), title, text)
    axes = figure.subplots(2, 3)
    states(axes[0, 0], curves)
    descent(axes[0, 1], report, curves)
    curves["fit"].waterfall(axes[0, 2])
    axes[0, 2].set_title("All starts, best first")
    batches(axes[1, 0], b)
    chunks(axes[1, 1], report["chunks"])
    messages(axes[1, 2], report["messages"], curves)
    save(figure, path)


def states(axes, curves):
    """Measurements and the fitted curves."""
    for i, (name, color) in enumerate((("prey", BLUE), ("predators", VERMILION))):
        axes.plot(curves["hours"], curves["fitted"][:, i], color=color, label=name)
        axes.plot(curves["times"], curves["measured"][:, i], "o", color=color, ms=3)
    axes.set(title="Measured and fitted", xlabel="Time", ylabel="Number", ylim=(0, 8))
    axes.legend(frameon=False, ncols=2, loc="upper right")


def descent(axes, report, curves):
    """The loss of gradient descent, and where all starts at once end."""
    found = report["fit"]
    axes.plot(1 + np.arange(len(curves["losses"])), curves["losses"], color=BLUE, label="gradient descent")
    label = f"Levenberg-Marquardt, {found['iterations']} iterations"
    axes.axhline(found["shooting_loss"], color=VERMILION, label=label)
    axes.set(title="Sum of squares", xlabel="Step", xscale="log", yscale="log")
    axes.legend(frameon=False, loc="upper right")


def batches(axes, b):
    """Seconds of a batch beside latency + n / rate."""
    sizes = np.asarray(b["sizes"], float)
    smooth = np.geomspace(sizes[0], sizes[-1], 100)
    model = b["latency"] + smooth / b["solves_per_second"]
    axes.plot(sizes, 1e6 * np.asarray(b["seconds"]), "o", color=BLUE, label="measured")
    axes.plot(smooth, 1e6 * model, color=GREY, zorder=0, label="latency + n / rate")
    axes.set(title="A batch under vmap", xlabel="Solves n", ylabel="Time (us)", xscale="log", yscale="log")
    axes.legend(frameon=False)


def chunks(axes, c):
    """Members per second for each size of chunk."""
    for (number, seconds), color in zip(c["seconds"].items(), (BLUE, GREEN)):
        label = f"{number} device" + ("s" if number != "1" else "")
        axes.plot(c["sizes"], c["members"] / np.asarray(seconds) / 1e3, "o-", color=color, label=label)
    title = f"{c['members']} members in chunks"
    axes.set(title=title, xlabel="Chunk", ylabel="Thousand solves per second", xscale="log")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)


def messages(axes, m, curves):
    """Bytes per second of moving blocks between devices."""
    size = np.asarray(curves["bytes"], float)
    axes.plot(size, size / np.asarray(curves["message_times"]) / 1e9, "o", color=BLUE, ms=4)
    axes.plot(size, size / (m["latency"] + size / m["bytes_per_second"]) / 1e9, color=GREY, zorder=0)
    axes.set(title="Messages between devices", xlabel="Bytes", ylabel="GB/s", xscale="log", yscale="log")
