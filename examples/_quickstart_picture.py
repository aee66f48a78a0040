"""The picture of the quickstart: counts, fits and forecasts over time, phase portrait, learned predation."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (after the choice of a backend that needs no display)
import numpy as np  # noqa: E402
from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: E402
from matplotlib.ticker import FormatStrFormatter, NullFormatter  # noqa: E402

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"  # told apart by colour-blind readers too


def draw(path, report, curves):
    """Draw the four panels and save them."""
    data, num_fitted = curves["data"], curves["num_fitted"]
    plt.rcParams.update({"font.size": 10.5, "axes.spines.top": False, "axes.spines.right": False})
    plt.rcParams.update({"axes.titlesize": 11, "axes.titlelocation": "left"})
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1, 0.87), hspace=0.06, wspace=0.04)  # the top is for title and legend
    figure = plt.figure(figsize=(12, 7.2), layout=layout)
    figure.text(0.01, 0.985, report["finding"], fontsize=16, fontweight="bold", va="top")
    figure.text(0.01, 0.937, subtitle(report), va="top", color="0.25")
    left, right = (half.subgridspec(2, 1) for half in figure.add_gridspec(1, 2, width_ratios=[1.75, 1]))
    counts = np.stack([data.hare, data.lynx], axis=1)
    upper = figure.add_subplot(left[0])
    lower = figure.add_subplot(left[1], sharex=upper)
    for i, (axes, animal) in enumerate([(upper, "Hares"), (lower, "Lynx")]):
        axes.axvspan(1916.5, 1920.5, color="0.93", lw=0)
        axes.fill_between(curves["years"], *curves["band"][:, :, i], color=BLUE, alpha=0.2, lw=0)
        axes.set(ylabel=f"{animal} (thousand pelts)", xlim=(1899.5, 1920.5))
        draw_models(axes, curves["years"], curves["lv"][:, i], curves["years"], curves["ude"][:, i])
        draw_counts(axes, data.years, counts[:, i], num_fitted)
        axes.set_ylim(0, None)
    upper.text(1918.5, 0.97 * upper.get_ylim()[1], "held out", ha="center", va="top", color="0.3")
    upper.tick_params(labelbottom=False)
    lower.set(xlabel="Year (pelts bought by the Hudson's Bay Company)", xticks=range(1900, 1921, 4))
    handles = dict(zip(*upper.get_legend_handles_labels()[::-1]))
    handles["Lotka-Volterra, 90 % for a count"] = upper.collections[-1]
    placing = {"loc": "upper left", "bbox_to_anchor": (0, 0.917), "ncols": 5, "frameon": False, "columnspacing": 1.6}
    figure.legend(handles.values(), handles.keys(), **placing)
    phase(figure.add_subplot(right[0]), counts, num_fitted, curves)
    predation(figure.add_subplot(right[1]), curves)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def subtitle(report):
    """The numbers behind the title."""
    lv, ude, forecast = report["lotka_volterra"], report["universal"], report["forecast"]
    cycle = next(name for name in forecast if name.endswith("cycle"))
    return (
        f"Root mean square error in log-counts, learned against Lotka-Volterra: fit {ude['misfit']:.2f} against "
        f"{lv['misfit']:.2f}, forecast {forecast['universal']:.2f} against {forecast['Lotka-Volterra']:.2f} "
        f"(repeating the {cycle}: {forecast[cycle]:.2f})"
    )


def draw_models(axes, x_lv, y_lv, x_ude, y_ude):
    """The two models' curves."""
    axes.plot(x_lv, y_lv, color=BLUE, lw=2, label="Lotka-Volterra")
    axes.plot(x_ude, y_ude, color=VERMILION, lw=2, ls=(0, (4, 1.2)), label="learned predation")


def draw_counts(axes, x, y, num_fitted):
    """The counts: filled where fitted, open where held out."""
    axes.plot(x[:num_fitted], y[:num_fitted], "o", color="black", ms=5, label="counts fitted")
    axes.plot(x[num_fitted:], y[num_fitted:], "o", color="black", mfc="white", ms=6, label="counts held out")


def phase(axes, counts, num_fitted, curves):
    """Lynx against hares."""
    axes.plot(*counts.T, "-", color="0.78", lw=1)
    (hares, lynx), (ude_hares, ude_lynx) = curves["lv"].T, curves["ude"].T
    draw_models(axes, hares, lynx, ude_hares, ude_lynx)
    draw_counts(axes, counts[:, 0], counts[:, 1], num_fitted)
    axes.set(xlim=(0, None), ylim=(0, None), title="Phase portrait, 1900-1920")
    axes.set(xlabel="Hares (thousand pelts)", ylabel="Lynx (thousand pelts)")


def predation(axes, curves):
    """Learned against mechanistic interaction terms along the fitted trajectory."""
    x, y = np.asarray(curves["mechanistic"]), np.asarray(curves["learned"])
    ends = np.array([x.min() / 1.2, x.max() * 1.2])
    axes.plot(ends, ends, color="0.3", lw=1.2, ls=":", label="equal terms")
    axes.loglog(x[:, 0], y[:, 0], color=GREEN, lw=2, label=r"hares lost (against $\beta\,h\,\ell$)")
    axes.loglog(x[:, 1], y[:, 1], color=PURPLE, lw=2.5, label=r"lynx gained (against $\delta\,h\,\ell$)")
    axes.set(xlabel="Lotka-Volterra term (thousand pelts a year)", ylabel="Learned term")
    axes.set(title="Predation along the fit, 1900-1916")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FormatStrFormatter("%g"))
        axis.set_minor_formatter(NullFormatter())
    axes.legend(frameon=False, loc="lower right", fontsize=9.5)
