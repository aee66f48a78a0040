"""The picture of the hierarchical pharmacokinetics example: bands of patients, and the population."""

import numpy as np
from _picture import BLUE, GREY, VERMILION, headed_figure, save

SHOWN = 6


def draw(path, report, curves):
    """Draw all panels and save them."""
    rows = report["population"]
    inside = sum(row["inside"] for row in rows.values())
    headline = f"{inside} of {len(rows)} parameters of the population lie inside their 95 % intervals"
    s = report["density_seconds"]
    subtitle = (
        f"NUTS on {report['parameters']} parameters with doses as events: a density in one batch of patients and "
        f"chains is {s['one_by_one'] / s['batch']:.1f} times faster than patient by patient"
    )
    figure = headed_figure((13.5, 6.0), headline, subtitle)
    grid = figure.add_gridspec(2, 4, width_ratios=[1, 1, 1, 1.35])
    top = 1.12 * float(max(np.max(curves["measured"][:SHOWN]), np.quantile(curves["paths"][:, :SHOWN], 0.99)))
    for i in range(SHOWN):
        patient(figure.add_subplot(grid[i // 3, i % 3]), i, curves, top)
    people(figure.add_subplot(grid[0, 3]), curves)
    intervals(figure.add_subplot(grid[1, 3]), rows)
    save(figure, path)


def patient(axes, i, curves, top):
    """One patient's samples, tablets, and the band of its concentration."""
    low, middle, high = np.quantile(curves["paths"][:, i], [0.05, 0.5, 0.95], axis=0)
    axes.fill_between(curves["hours"], low, high, color=BLUE, alpha=0.3, lw=0, label="90 % band")
    axes.plot(curves["hours"], middle, color=BLUE, lw=1.5)
    axes.plot(curves["sampled"][i], curves["measured"][i], "o", color=VERMILION, ms=4.5, label="measured")
    axes.plot(curves["tablets"][i], np.zeros(5), "^", color="0.2", ms=6, clip_on=False, label="tablets")
    axes.set(xlim=(0, 72), ylim=(0, top), xticks=range(0, 73, 24), title=f"Patient {i + 1}")
    if i >= 3:
        axes.set_xlabel("Hours")
    if i % 3 == 0:
        axes.set_ylabel("mg/l")
    if i == 0:
        axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=1)


def people(axes, curves):
    """Every patient's two constants, true and estimated."""
    mean, sd = curves["found"].mean(0), curves["found"].std(0)
    axes.errorbar(
        mean[:, 0], mean[:, 1], xerr=sd[:, 0], yerr=sd[:, 1], fmt="o", color=BLUE, ms=4, lw=1, label="posterior"
    )
    for (x, y), (true_x, true_y) in zip(mean, curves["own"], strict=True):
        axes.plot([x, true_x], [y, true_y], color=GREY, lw=0.8, zorder=0)
    axes.plot(curves["own"][:, 0], curves["own"][:, 1], "+", color=VERMILION, ms=10, mew=2, label="true")
    axes.set(xlabel="Capacity (mg/h)", ylabel="Volume (l)", title="The patients")
    axes.legend(frameon=False, fontsize=8)


def intervals(axes, rows):
    """Every parameter of the population in standard deviations from its true value."""
    names = list(rows)[::-1]
    for i, name in enumerate(names):
        row = rows[name]
        ends = [(row[end] - row["true"]) / row["sd"] for end in ("low", "mean", "high")]
        axes.plot([ends[0], ends[2]], [i, i], color=BLUE, lw=2)
        axes.plot(ends[1], i, "o", color=BLUE, ms=5)
    axes.axvline(0, color=GREY, lw=1, ls="--")
    axes.set(yticks=range(len(names)), ylim=(-0.6, len(names) - 0.4))
    axes.set_yticklabels(names, fontsize=8)
    axes.set(xlabel="Standard deviations from the true value", title="The population: mean and 95 %")
