"""A picture of the losses of a run."""

from typing import Any

import numpy as np

LOSS, SMOOTH, VALIDATION, BEST = "#9ecae1", "#0072B2", "#D55E00", "#009E73"


def loss_curve(results: Any, ax: Any = None, *, smooth: int | None = None, log: bool = True) -> Any:
    """Draw the loss over the steps: every step faintly, a moving median over it, validation losses, the best one.

    Parameters
    ----------
    results
        A `RunResult`, a `FitResult`, or a dict name -> result, to compare runs. Losses of a run under `vmap`, shape
        (runs, num_steps), are drawn as the median over the runs with the band from the lowest to the highest.
    ax
        Matplotlib axes to draw on. None makes a new figure.
    smooth
        Steps in the moving median, 1 for none. None: a fortieth of the steps.
    log
        Whether the loss has a logarithmic axis; it has a linear one where a loss is not positive.

    Returns
    -------
    matplotlib.axes.Axes
        What was drawn on; `ax.figure.savefig(path)` keeps it.

    Raises
    ------
    ImportError
        Without Matplotlib, which the extra `plot` installs.
    TypeError
        For what has no `losses`.
    """
    named = results if isinstance(results, dict) else {"": results}
    for name, result in named.items():
        if not hasattr(result, "losses"):
            where = f" under {name!r}" if name else ""
            msg = (
                f"`results` must be what `run` or `fit` returned; got {type(result).__name__}{where}. Pass the result "
                "itself, not its losses or parameters."
            )
            raise TypeError(msg)
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        msg = "`loss_curve` needs Matplotlib, which is not installed. Install `sciml_jax[plot]`."
        raise ImportError(msg) from error
    ax = plt.subplots(layout="constrained")[1] if ax is None else ax
    lowest = np.inf
    for i, (name, result) in enumerate(named.items()):
        color = SMOOTH if len(named) == 1 else f"C{i}"
        lowest = min(lowest, _draw(ax, result, name, color, smooth))
    ax.set(xlabel="step", ylabel="loss", yscale="log" if log and lowest > 0 else "linear")
    if ax.get_legend_handles_labels()[0]:
        ax.legend()
    return ax


def _draw(ax: Any, result: Any, name: str, color: str, smooth: int | None) -> float:
    """Draw one run; returns its lowest loss."""
    losses = np.asarray(result.losses, dtype=float)
    label = f"{name}: " if name else ""
    steps = np.arange(losses.shape[-1])
    if losses.ndim > 1:
        runs = losses.reshape(-1, losses.shape[-1])
        # Runs that stopped early hold NaN from there.
        kept = np.any(np.isfinite(runs), axis=0)
        runs, steps = runs[:, kept], steps[kept]
        ax.fill_between(steps, np.nanmin(runs, axis=0), np.nanmax(runs, axis=0), color=color, alpha=0.2, lw=0)
        ax.plot(steps, np.nanmedian(runs, axis=0), color=color, label=f"{label}median of {len(runs)} runs")
        return float(np.nanmin(runs, initial=np.inf))
    width = max(1, len(losses) // 40) if smooth is None else int(smooth)
    ax.plot(
        steps, losses, color=color, alpha=0.3 if width > 1 else 1.0, lw=0.8, label=None if width > 1 else name or "loss"
    )
    if width > 1:
        ax.plot(steps, moving_median(losses, width), color=color, label=f"{label}loss, median of {width} steps")
    found = losses[np.isfinite(losses)]
    if result.val_losses is not None:
        vals = np.asarray(result.val_losses, dtype=float)
        due = np.isfinite(vals)
        ax.plot(steps[due], vals[due], ".-", ms=3, color=VALIDATION, label=f"{label}validation")
        found = np.append(found, vals[due])
    if result.best_loss is not None and np.isfinite(result.best_loss):
        ax.axhline(
            float(result.best_loss), color=BEST, lw=0.8, ls="--", label=f"{label}best, {float(result.best_loss):.3g}"
        )
    return float(np.min(found, initial=np.inf))


def moving_median(values: np.ndarray, width: int) -> np.ndarray:
    """The median over the last `width` values at every place (fewer at the start), NaN left out."""
    return np.array([_median(values[max(0, i + 1 - width) : i + 1]) for i in range(len(values))])


def _median(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else np.nan
