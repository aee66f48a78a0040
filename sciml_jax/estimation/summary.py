"""An estimate in words."""

from typing import Any

import jax
import numpy as np


def summary(fit: Any) -> str:
    """A table of the estimates, the status with its remedy, and what else the reader should know."""
    level = 0.95
    lower, upper = (np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(end)]) for end in fit.intervals(level))
    errors = np.sqrt(np.diag(fit.covariance))
    width = max(len(name) for name in fit.names)
    lines = [str(fit.status), "", f"{'':{width}s}  {'estimate':>12s}  {'std. error':>12s}  {'95 % interval':>27s}"]
    for i, name in enumerate(fit.names):
        interval = f"[{lower[i]:12.5g}, {upper[i]:12.5g}]" if i < lower.size else ""
        lines.append(
            f"{name:{width}s}  {fit.flat[i]:12.5g}  {errors[i]:12.4g}  {interval:>28s}  {_remark(fit, i)}".rstrip()
        )
    noise = "given" if fit.noise_is_known else f"estimated, {float(fit.sigma):.4g}"
    lines += [
        "",
        f"{int(fit.num_data)} values, {len(fit.names)} parameters; noise {noise}; "
        f"rms of scaled residuals {float(np.sqrt(fit.chi_square / fit.num_data)):.4g}",
        f"AIC {float(fit.aic):.2f}, BIC {float(fit.bic):.2f}; "
        f"{int(fit.starts.num_best())} of {fit.starts.cost.shape[0]} starts reached the best misfit",
    ]
    return "\n".join(lines)


def _remark(fit: Any, index: int) -> str:
    if not bool(fit.identifiable[index]):
        return "not determined by the data"
    return "at a bound: the error is that without bounds" if bool(fit.at_bound[index]) else ""
