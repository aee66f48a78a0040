"""The picture of the missing interaction: the forecast, and the network's output beside its law."""

from _picture import BLUE, GREY, VERMILION, headed_figure, save


def draw(path, report, curves):
    """Draw both panels and save them."""
    terms = [
        f"{r['fitted']:+.3f} ± {r['standard_error']:.3f} (true {r['true']:+.1f})" for r in report["terms"] if r["true"]
    ]
    t = report["seconds_per_gradient"]
    headline = "A network learned what the model lacked; a regression read it: a product of prey and predators"
    subtitle = (
        f"Fitted to the data: {', '.join(terms)}. {t['windows']} windows with gradient in one batch: "
        f"{1e3 * t['together']:.1f} ms, {t['one_by_one'] / t['together']:.0f} times faster than one by one"
    )
    figure = headed_figure((12.5, 5.2), headline, subtitle)
    left, right = figure.add_gridspec(1, 2, width_ratios=[2.1, 1])
    forecast(figure.add_subplot(left), curves)
    interaction(figure.add_subplot(right), report, curves)
    save(figure, path)


def forecast(axes, curves):
    """Samples, the law and the network in three times the sampled time."""
    for i, (name, colour) in enumerate((("prey", BLUE), ("predators", VERMILION))):
        axes.plot(curves["times"], curves["exact"][:, i], color=GREY, lw=4, alpha=0.5, label="truth" if i else None)
        axes.plot(curves["times"], curves["fitted"][:, i], color=colour, lw=1.6, label=f"{name}, law")
        axes.plot(curves["times"], curves["learned"][:, i], color=colour, lw=1.2, ls=":", label=f"{name}, network")
        axes.plot(curves["ts"], curves["measured"][:, i], "o", color=colour, ms=4)
    axes.axvspan(0, float(curves["ts"][-1]), color="0.95", zorder=0)
    top = 1.25 * float(curves["exact"].max())
    axes.text(float(curves["ts"][-1]) / 2, 0.86 * top, "samples", ha="center", color="0.35")
    axes.set(xlabel="Time", ylabel="Population", xlim=(0, float(curves["times"][-1])), ylim=(0, top))
    axes.set(title="Forecast to three times the sampled time")
    axes.legend(frameon=False, loc="upper right", ncols=3, fontsize=9)


def interaction(axes, report, curves):
    """The network's two outputs against the product of both populations; straight lines are the law."""
    for i, (name, colour) in enumerate((("of prey", BLUE), ("of predators", VERMILION))):
        axes.plot(curves["product"], curves["network"][:, i], ".", color=colour, ms=4, label=f"network: change {name}")
    ends = [0.0, float(curves["product"].max())]
    for i, row in enumerate(r for r in report["terms"] if r["true"]):
        label = "law, fitted to the data" if i == 0 else None
        axes.plot(ends, [row["fitted"] * end for end in ends], color="0.2", lw=1, label=label)
    axes.axhline(0.0, color="0.8", lw=0.8, zorder=0)
    axes.set(xlabel="Prey times predators", ylabel="Missing rate of change", title="What the network learned")
    axes.legend(frameon=False, loc="lower left", fontsize=9)
