"""The picture of the delayed epidemic example: two years fitted, the third forecast, and the estimates."""

from _picture import BLUE, GREY, VERMILION, estimates, headed_figure, save


def draw(path, report, curves):
    """Draw both panels and save them."""
    lag, t = report["estimates"]["immunity (days)"], report["seconds_per_run"]
    misfit = report["misfit_per_degree_of_freedom"]
    headline = f"Immunity lasted {lag['estimate']:.1f} ± {lag['standard_error']:.1f} days"
    subtitle = (
        f"(it was {lag['true']:.0f}). Misfit per degree of freedom {misfit['lag']:.2f}, "
        f"without a lag {misfit['no lag']:.0f}. {t['draws']} curves of the forecast: "
        f"{1e3 * t['draws_vmap']:.0f} ms, one after another {1e3 * t['draws_one_by_one']:.0f} ms"
    )
    figure = headed_figure((12.5, 5.2), headline, subtitle)
    left, right = figure.add_gridspec(1, 2, width_ratios=[2.4, 1])
    waves(figure.add_subplot(left), curves)
    estimates(figure.add_subplot(right), report["estimates"], "What the samples say")
    save(figure, path)


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
