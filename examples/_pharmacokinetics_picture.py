"""The picture of the pharmacokinetics example: concentrations over five days, and the estimates beside the truth."""

import numpy as np
from _picture import BLUE, GREY, VERMILION, estimates, headed_figure, save


def draw(path, report, curves):
    """Draw both panels and save them."""
    delay = report["estimates"]["delay (h)"]
    headline = f"The late tablet was {delay['estimate']:.1f} ± {delay['standard_error']:.1f} hours late"
    t = report["seconds_per_solve"]
    subtitle = (
        f"(it was {delay['true']:.1f}). All {t['doses']} doses in one solve: {1e6 * t['one_solve']:.0f} us, "
        f"{t['dose_to_dose'] / t['one_solve']:.0f} times faster than a solve from dose to dose; "
        f"{t['subjects']} subjects under vmap: {1e3 * t['trial_vmap']:.1f} ms"
    )
    figure = headed_figure((12.5, 5.2), headline, subtitle)
    left, right = figure.add_gridspec(1, 2, width_ratios=[2.1, 1])
    concentrations(figure.add_subplot(left), curves)
    estimates(figure.add_subplot(right), report["estimates"], "What the blood says")
    save(figure, path)


def concentrations(axes, curves):
    """Measurements, the fit, and what an unforgotten hour would have meant."""
    axes.plot(curves["hours"], curves["on_time"], color=GREY, lw=1.2, ls="--", label="had it been on time")
    axes.plot(curves["hours"], curves["fitted"], color=BLUE, lw=2, label="fitted")
    axes.plot(curves["sampled"], curves["measured"], "o", color=VERMILION, ms=4.5, label="measured")
    doses = np.asarray(curves["doses"])
    axes.plot(doses, np.zeros_like(doses), "^", color="0.2", ms=7, clip_on=False, label="tablets")
    axes.set(xlabel="Hours", ylabel="mg per litre of blood", xlim=(0, 132), ylim=(0, None), xticks=range(0, 133, 12))
    axes.set(title="Concentration: a tablet every 12 hours, one forgotten, one late")
    axes.legend(frameon=False, loc="upper left", ncols=4, fontsize=9)
    axes.set_ylim(0, 1.15 * float(np.max(curves["measured"])))
