"""The picture of the spiral example: trajectory, learned field, losses, and the frames of an animation."""

import matplotlib.animation as animation
import matplotlib.pyplot as plt
import numpy as np
from _picture import BLUE, GREY, VERMILION, headed_figure, save

SHOWN = 5


def draw(path, report, curves):
    """Draw all panels, and the animation beside them."""
    g = report["gradient_seconds"]
    subtitle = (
        f"NeuralODE, Tsit5, {report['steps']} steps of Adam. A batch in one solve: {g['apart'] / g['together']:.1f} "
        f"times faster than apart; replayed steps: {g['adjoint_equation'] / g['replay']:.1f} times faster "
        "than the adjoint equation"
    )
    figure = headed_figure((12.5, 7.6), "A network learns a spiral from one trajectory", subtitle)
    grid = figure.add_gridspec(2, 1, height_ratios=[1.6, 1])
    above, below = grid[0].subgridspec(1, 3), grid[1].subgridspec(1, SHOWN)
    times(figure.add_subplot(above[0]), curves)
    field(figure.add_subplot(above[1]), curves)
    losses(figure.add_subplot(above[2]), curves)
    frames = curves["frames"]
    for i, place in enumerate(np.linspace(0, len(frames) - 1, SHOWN).astype(int)):
        frame(figure.add_subplot(below[i]), curves, frames[place])
    save(figure, path)
    animate(path.with_suffix(".gif"), curves)


def times(axes, curves):
    """Both components over time, beyond the data."""
    for i, color in enumerate((BLUE, VERMILION)):
        axes.plot(curves["later"], curves["true"][:, i], color=GREY, lw=3, label="true" if i == 0 else None)
        axes.plot(curves["later"], curves["predicted"][:, i], color=color, lw=1.5, label=f"network, $u_{i + 1}$")
        axes.plot(curves["ts"][::4], curves["us"][::4, i], "o", color=color, ms=3)
    axes.axvline(curves["ts"][-1], color="0.2", lw=0.8, ls=":")
    axes.set(title="States; the data end at the dotted line", xlabel="Time")
    axes.legend(frameon=False, fontsize=9, loc="lower right", ncols=3)
    axes.set_ylim(-2.9, 2.3)


def field(axes, curves):
    """The learned vector field over the true one."""
    x, y = np.asarray(curves["grid"]).T
    for values, color, width in ((curves["true_field"], "0.75", 0.009), (curves["field"], BLUE, 0.004)):
        axes.quiver(x, y, *np.asarray(values).T, color=color, width=width, angles="xy")
    axes.plot(*np.asarray(curves["us"]).T, color=VERMILION, lw=1.5)
    axes.set(
        title="Vector field: learned (blue), true (grey), data (red)", aspect="equal", xlabel="$u_1$", ylabel="$u_2$"
    )


def losses(axes, curves):
    """The loss of every step, by stage."""
    before = 0
    for (stage, found), color in zip(curves["losses"].items(), (BLUE, VERMILION), strict=True):
        steps = np.arange(before, before + len(found.losses))
        axes.semilogy(steps, found.losses, color=color, lw=1, label=stage)
        before = steps[-1] + 1
    axes.set(title="Loss: mean squared distance", xlabel="Step")
    axes.legend(frameon=False)


def frame(axes, curves, shown):
    """The trajectory at one moment of the training."""
    step, stage, states = shown
    axes.clear()
    axes.plot(*np.asarray(curves["us"]).T, "o", color=GREY, ms=3)
    axes.plot(*states.T, color=VERMILION, lw=1.5)
    axes.set(xlim=(-2.5, 2.5), ylim=(-2.5, 2.5), aspect="equal", xticks=[], yticks=[])
    axes.set_title(f"step {step} ({stage})", fontsize=9)


def animate(path, curves):
    """All frames as a GIF."""
    figure, axes = plt.subplots(figsize=(4, 4.2), layout="constrained")
    show = lambda i: frame(axes, curves, curves["frames"][i])
    animation.FuncAnimation(figure, show, frames=len(curves["frames"])).save(path, writer="pillow", fps=4)
    plt.close(figure)
