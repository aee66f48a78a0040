"""Pictures of draws, with Matplotlib."""

from typing import Any

import numpy as np

from .summary import scalars

_MOST = 12


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        msg = "pictures need Matplotlib; it is not installed. Run: pip install 'sciml_jax[plot]'"
        raise ImportError(msg) from error
    return plt


def trace(draws: Any, names: Any = None) -> Any:
    """Histograms and traces of every chain; ticks at the foot mark divergences. Returns the figure."""
    found = _chosen(draws, names)
    figure, axes = _pyplot().subplots(len(found), 2, figsize=(9, 1.8 * len(found)), squeeze=False, layout="constrained")
    diverging = np.asarray(draws.stats.get("diverging", np.zeros((draws.num_chains, draws.num_draws)))).astype(bool)
    for (name, x), (left, right) in zip(found.items(), axes, strict=True):
        edges = np.histogram_bin_edges(x, bins=40)
        for chain in range(x.shape[0]):
            left.hist(x[chain], bins=edges.tolist(), histtype="step", density=True)
            right.plot(x[chain], linewidth=0.5)
        where = np.flatnonzero(diverging.any(axis=0))
        right.plot(where, np.full(where.shape, x.min()), "|", color="black")
        left.set_title(name, loc="left", fontsize="medium")
        left.set_yticks([])
    axes[-1, 1].set_xlabel("draw")
    return figure


def pair(draws: Any, names: Any = None) -> Any:
    """Every parameter against every other; divergent draws in red. Returns the figure."""
    found = _chosen(draws, names)
    count = len(found)
    size = 1.6 * count + 1
    figure, axes = _pyplot().subplots(count, count, figsize=(size, size), squeeze=False, layout="constrained")
    diverging = np.asarray(draws.stats.get("diverging", np.zeros((draws.num_chains, draws.num_draws)))).astype(bool)
    labels, values = list(found), [x.ravel() for x in found.values()]
    marked = diverging.ravel()
    for i in range(count):
        for j in range(count):
            axis = axes[i, j]
            if j > i:
                axis.set_visible(False)
            elif i == j:
                axis.hist(values[i], bins=40, color="tab:blue")
            else:
                axis.plot(values[j], values[i], ".", markersize=1, alpha=0.3, rasterized=True)
                axis.plot(values[j][marked], values[i][marked], ".", markersize=3, color="tab:red")
            if i == count - 1:
                axis.set_xlabel(labels[j])
            if j == 0 and i > 0:
                axis.set_ylabel(labels[i])
    return figure


def bands(axis: Any, times: Any, values: Any, *, color: Any = None, label: str | None = None) -> None:
    """The median and the central 50 % and 90 % of curves `values` (draws, times) on a Matplotlib axis."""
    values = np.asarray(values)
    if values.ndim != 2 or values.shape[1] != len(times):
        msg = (
            f"`values` must have the shape (draws, {len(times)}), one curve per draw; got {values.shape}. Select one "
            "series and flatten the chains."
        )
        raise ValueError(msg)
    q5, q25, q50, q75, q95 = np.nanquantile(values, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    (line,) = axis.plot(times, q50, color=color, label=label)
    axis.fill_between(times, q5, q95, color=line.get_color(), alpha=0.2, linewidth=0)
    axis.fill_between(times, q25, q75, color=line.get_color(), alpha=0.3, linewidth=0)


def _chosen(draws: Any, names: Any) -> dict[str, np.ndarray]:
    found = scalars(draws.samples)
    if names is not None:
        wanted = [names] if isinstance(names, str) else list(names)
        kept = {n: x for n, x in found.items() if n in wanted or n.split("[")[0] in wanted}
        if not kept:
            msg = f"`names` must be among the parameters, {list(found)}; got {wanted}."
            raise ValueError(msg)
        return kept
    return dict(list(found.items())[:_MOST])
