"""The picture of the stiff chemistry example: ozone, what it depends on, the Brusselator in space and time."""

import numpy as np
from _picture import BLUE, GREEN, VERMILION, headed_figure, save

SPECIES = ((0, "NO2", VERMILION), (1, "NO", GREEN), (3, "O3", BLUE))
SHOWN = 12  # reactions with a bar
EARLY, LATE = (0.0, 0.002, 0.01), (1.2, 5.2, 11.5)  # times of the pictures


def draw(path, report, curves):
    """Draw the panels and save them."""
    reactions, pollution, brusselator = curves["reactions"], curves["pollution"], curves["brusselator"]
    figure = headed_figure((12.5, 8.6), headline(report), subtitle(report), hspace=0.06)
    upper, lower = (row.subgridspec(1, 2, width_ratios=[1, 1.5]) for row in figure.add_gridspec(2, 1))
    concentrations(figure.add_subplot(upper[0]), pollution)
    bars(figure.add_subplot(upper[1]), reactions, np.asarray(pollution["slopes"]))
    means(figure.add_subplot(lower[0]), brusselator)
    pictures(figure, lower[1], brusselator)
    save(figure, path)


def name_of(reaction):
    """The reaction in print: an arrow, and digits after a letter lowered."""
    text = reaction.replace("->", r"\rightarrow")
    lowered = [f"_{c}" if c.isdigit() and i and text[i - 1].isalpha() else c for i, c in enumerate(text)]
    return r"$\mathrm{" + "".join(lowered).replace(" ", r"\ ") + "}$"


def headline(report):
    """The finding."""
    slopes = report["pollution"]["d_log_ozone_d_log_rate"]
    largest = max(slopes, key=lambda name: abs(slopes[name]))
    sign = "more" if slopes[largest] > 0 else "less"
    reaction = name_of(largest.split(": ")[1])
    return f"{reaction} one percent faster: {abs(slopes[largest]):.2f} % {sign} ozone after an hour"


def subtitle(report):
    """What sparsity and kept factorisations save."""
    rows = report["linear_algebra"]
    slowest, fastest = (pick(rows, key=lambda row: rows[row]["seconds"]) for pick in (max, min))
    counts = rows["coloured Jacobian"]
    return (
        f"Brusselator, {report['unknowns']} unknowns: {counts['num_steps']} steps, {counts['num_jacobian']} Jacobians "
        f"of {counts['num_jvp'] // counts['num_jacobian']} products, {counts['num_factorisation']} factorisations. "
        f"Times: {seconds(rows, slowest)}, {seconds(rows, fastest)}"
    )


def seconds(rows, name):
    """How long a row took, in words."""
    return f"{name} {rows[name]['seconds']:.2g} s"


def concentrations(axes, pollution):
    """Three species over the hour."""
    for place, name, colour in SPECIES:
        values = np.asarray(pollution["species"])[:, place]
        axes.plot(pollution["minutes"], values, color=colour, lw=2)
        axes.text(61, values[-1], name_of(name), color=colour, va="center")
    axes.set(xlabel="Minutes", ylabel="Parts per million", xlim=(0, 60), ylim=(0, None))
    axes.set(title="Air pollution: nitrogen oxides and ozone")


def bars(axes, reactions, slopes):
    """What the ozone after an hour depends on."""
    order = np.argsort(-np.abs(slopes))[:SHOWN][::-1]
    colours = [BLUE if slopes[i] > 0 else VERMILION for i in order]
    axes.barh(range(len(order)), slopes[order], color=colours, height=0.72)
    axes.axvline(0.0, color="0.3", lw=0.8)
    axes.set_yticks(range(len(order)), [f"{name_of(reactions[i])}  {i + 1}" for i in order])
    axes.set(title="d log(ozone after an hour) / d log(rate)")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def means(axes, brusselator):
    """Both species averaged over the grid."""
    states = np.asarray(brusselator["states"])
    for species, (name, colour) in enumerate((("U", BLUE), ("V", VERMILION))):
        values = states[:, species].mean(axis=(1, 2))
        axes.plot(brusselator["times"], values, color=colour, lw=2)
        axes.text(11.7, values[-1], name, color=colour, va="center")
    axes.axvline(1.1, color="0.6", lw=1, ls=":")
    axes.text(1.25, axes.get_ylim()[1], "forcing near (0.3, 0.6) begins", color="0.35", va="top", fontsize=9)
    axes.set(xlabel="Time", ylabel="Mean over the grid", xlim=(0, 11.5))
    axes.set(title="Brusselator: uniform after a moment, then a reaction")


def pictures(figure, place, brusselator):
    """U over the square before it is uniform, and what is left of its variation later; one colour scale a row."""
    times, states = np.asarray(brusselator["times"]), np.asarray(brusselator["states"])[:, 0]
    inner = place.subgridspec(2, 4, width_ratios=[1, 1, 1, 0.07])
    for row, (drawn, title, colours) in enumerate(
        ((EARLY, "U, t = {:g}", "viridis"), (LATE, "U - mean, t = {:g}", "magma"))
    ):
        shown = states[[int(np.argmin(np.abs(times - t))) for t in drawn]]
        if row == 1:
            shown = shown - shown.mean(axis=(1, 2), keepdims=True)
        scale = {"vmin": shown.min(), "vmax": shown.max(), "cmap": colours, "origin": "lower", "extent": (0, 1, 0, 1)}
        image = None
        for k, t in enumerate(drawn):
            axes = figure.add_subplot(inner[row, k])
            image = axes.imshow(shown[k].T, **scale)  # the first index is x
            axes.set(title=title.format(t), xticks=(0, 1), yticks=(0, 1))
        figure.colorbar(image, cax=figure.add_subplot(inner[row, 3]))
