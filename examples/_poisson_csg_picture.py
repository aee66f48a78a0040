"""The picture of the example with pipes: temperatures in both ducts, errors with exact and with trained walls."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (after the choice of a backend that needs no display)
import numpy as np  # noqa: E402
from matplotlib.colors import LogNorm  # noqa: E402
from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: E402

EXTENT = (-1, 1, -1, 1)


def draw(path, report, curves):
    """Draw all panels."""
    plt.rcParams.update({"font.size": 10, "axes.titlesize": 11, "axes.titlelocation": "left"})
    figure = plt.figure(figsize=(14, 3.9), layout=ConstrainedLayoutEngine(rect=(0, 0, 1, 0.83)))
    figure.text(0.01, 0.97, "Heat around pipes: domains made by cutting discs out", fontsize=15, fontweight="bold",
                va="top")  # fmt: skip
    exact, trained = report["exact_walls"], report["trained_walls"]
    figure.text(
        0.01, 0.875,
        f"Round duct: relative error {exact['relative_error']:.1e} with exact walls ({exact['seconds']:.0f} s), "
        f"{trained['relative_error']:.1e} with trained ones ({trained['seconds']:.0f} s); heat loss "
        f"{exact['heat_loss']:.5f}, by the formula {report['heat_loss']:.5f}",
        va="top", color="0.25",
    )  # fmt: skip
    with_square = curves["square"] is not None
    panels = figure.subplots(1, 4 if with_square else 3)
    temperature(figure, panels[0], curves["x"], curves["temperature"], "Temperature, round duct")
    if with_square:
        temperature(figure, panels[1], curves["x"], curves["square"], "Temperature, square duct")
    both = np.concatenate([curves["exact_error"].ravel(), curves["trained_error"].ravel()])
    top = float(np.nanquantile(both, 0.999))
    for axes, name, title in ((panels[-2], "exact_error", "Error, exact walls"),
                              (panels[-1], "trained_error", "Error, trained walls")):  # fmt: skip
        shown = np.clip(curves[name], top * 1e-4, top)
        image = axes.imshow(shown, norm=LogNorm(top * 1e-4, top), cmap="magma", origin="lower", extent=EXTENT)
        figure.colorbar(image, ax=axes, shrink=0.8)
        frame(axes, title)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def temperature(figure, axes, x, values, title):
    """A temperature with its lines of equal value."""
    image = axes.imshow(values, cmap="inferno", vmin=0, vmax=1, origin="lower", extent=EXTENT)
    axes.contour(x, x, values, levels=np.arange(0.1, 1.0, 0.1), colors="white", linewidths=0.7)
    figure.colorbar(image, ax=axes, shrink=0.8)
    frame(axes, title)


def frame(axes, title):
    """Both axes alike."""
    axes.set(title=title, xlabel="x", ylabel="y", aspect="equal")
