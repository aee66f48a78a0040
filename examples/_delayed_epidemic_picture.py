"""The picture of the delayed epidemic example: two years fitted, the third forecast, and the estimates."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (after the choice of a backend that needs no display)
import numpy as np  # noqa: E402
from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: E402

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "0.55"  # told apart by colour-blind readers too


def draw(path, report, curves):
    """Draw both panels and save them."""
    plt.rcParams.update({"font.size": 10, "axes.titlesize": 11, "axes.titlelocation": "left"})
    figure = plt.figure(figsize=(12.5, 5.2), layout=ConstrainedLayoutEngine(rect=(0, 0, 1, 0.86)))
    lag, t = report["estimates"]["immunity (days)"], report["seconds_per_run"]
    misfit = report["misfit_per_degree_of_freedom"]
    headline = f"Immunity lasted {lag['estimate']:.1f} ± {lag['standard_error']:.1f} days"
    subtitle = (
        f"(it was {lag['true']:.0f}). Misfit per degree of freedom {misfit['lag']:.2f}, "
        f"without a lag {misfit['no lag']:.0f}. {t['draws']} curves of the forecast: "
        f"{1e3 * t['draws_vmap']:.0f} ms, one after another {1e3 * t['draws_one_by_one']:.0f} ms"
    )
    figure.text(0.01, 0.97, headline, fontsize=15, fontweight="bold", va="top")
    figure.text(0.01, 0.895, subtitle, va="top", color="0.25")
    left, right = figure.add_gridspec(1, 2, width_ratios=[2.4, 1])
    waves(figure.add_subplot(left), curves)
    estimates(figure.add_subplot(right), report["estimates"])
    figure.savefig(path, dpi=150)
    plt.close(figure)


def waves(axes, curves):
    """Samples, the fit with its forecast, and the best that a model without a lag can do."""
    weeks, last = curves["weeks"], curves["fitted_weeks"]
    axes.axvspan(last, weeks[-1], color="0.95", lw=0)
    axes.fill_between(weeks, *curves["band"], color=BLUE, alpha=0.3, lw=0, label="90 % of the draws")
    axes.plot(weeks, curves["no_lag"], color=GREY, lw=1.4, ls="--", label="fitted, immunity memoryless")
    axes.plot(weeks, curves["fitted"], color=BLUE, lw=1.8, label="fitted, immunity of fixed length")
    style = {"color": VERMILION, "ms": 4}
    axes.plot(weeks[:last], curves["measured"][:last], "o", label="samples", **style)
    axes.plot(weeks[last:], curves["measured"][last:], "o", mfc="none", label="samples not used", **style)
    axes.set(xlabel="Weeks", ylabel="Signal", yscale="log", xlim=(0, weeks[-1]))
    axes.set(title="Waste water: two years fitted, the third forecast")
    low, high = axes.get_ylim()
    axes.set_ylim(low, 8 * high)
    axes.legend(frameon=False, loc="upper left", ncols=3, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def estimates(axes, rows):
    """Every estimate over its truth with two standard errors."""
    places = np.arange(len(rows))[::-1]
    for place, row in zip(places, rows.values(), strict=True):
        ratio, width = row["estimate"] / row["true"], 2 * row["standard_error"] / row["true"]
        axes.errorbar(ratio, place, xerr=width, fmt="o", color=BLUE, capsize=3)
    axes.axvline(1.0, color="0.2", lw=1)
    axes.set(yticks=places, yticklabels=list(rows), xlabel="Estimate over truth, two standard errors")
    axes.set(title="What the samples say")
    axes.spines[["top", "right"]].set_visible(False)
