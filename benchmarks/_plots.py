"""Pictures of the benchmarks, written beside the JSON."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

MARKERS = "osD^v<>Ph*X"


def style(name: str, order: list[str]) -> dict:
    """Ours in solid blue and green shades, peers dashed in warm ones; one marker each."""
    ours = [n for n in order if n.startswith("ours")]
    peers = [n for n in order if not n.startswith("ours")]
    group, colours = (ours, plt.cm.winter) if name in ours else (peers, plt.cm.autumn)
    place = group.index(name) / max(len(group) - 1, 1)
    look = {"color": colours(0.85 * place), "marker": MARKERS[order.index(name) % len(MARKERS)], "markersize": 4}
    return {**look, "linestyle": "-" if name in ours else "--"}


def curves(path: Path, panels: dict[str, dict[str, list[dict]]], title: str) -> None:
    """One panel per problem: seconds against error for every method; `panels[problem][method]` are the points."""
    figure, axes = plt.subplots(1, len(panels), figsize=(5.2 * len(panels), 4.6), squeeze=False, layout="constrained")
    names = list(dict.fromkeys(name for methods in panels.values() for name in methods))
    for axis, (problem, methods) in zip(axes[0], panels.items(), strict=True):
        for name, points in methods.items():
            good = [p for p in points if p["error"] < 0.5]
            errors, seconds = [p["error"] for p in good], [p["seconds"] for p in good]
            axis.loglog(errors, seconds, label=name, linewidth=1.2, **style(name, names))
        axis.invert_xaxis()
        axis.set(title=problem, xlabel="relative error at the end")
        axis.grid(alpha=0.3, which="both", linewidth=0.4)
    axes[0][0].set_ylabel("seconds per solve")
    lines, labels = [], []
    for axis in axes[0]:
        for line, label in zip(*axis.get_legend_handles_labels(), strict=True):
            if label not in labels:
                lines.append(line)
                labels.append(label)
    figure.legend(lines, labels, loc="outside lower center", ncols=3 * len(panels), fontsize=8)
    figure.suptitle(title)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    print(f"wrote {path.name}")


def bars(path: Path, panels: dict[str, dict[str, float | None]], ylabel: str, title: str) -> None:
    """One panel per row, one bar per method with its value; logarithmic where values differ by more than 20 times."""
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.6 * columns, 4.0 * rows), squeeze=False, layout="constrained")
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    for axis, (row, values) in zip(axes.flat, panels.items(), strict=False):
        found = {name: value for name, value in values.items() if value is not None}
        colours = ["tab:blue" if name.startswith("ours") else "tab:orange" for name in found]
        drawn = axis.bar(range(len(found)), list(found.values()), color=colours)
        axis.bar_label(drawn, [f"{value:.3g}" for value in found.values()], fontsize=8)
        axis.set_xticks(range(len(found)), list(found), rotation=35, ha="right", fontsize=8)
        axis.set_title(row, fontsize=10)
        axis.set_ylabel(ylabel)
        smallest, largest = min(found.values()), max(found.values())
        if largest > 20.0 * smallest:
            # Bars on a logarithmic axis have no zero to start from: the numbers above them are what to read.
            axis.set_yscale("log")
            axis.set_ylim(smallest / 3.0, largest * 2.0)
        else:
            axis.set_ylim(0.0, 1.15 * largest)
    figure.suptitle(title)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    print(f"wrote {path.name}")
