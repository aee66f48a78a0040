"""Which states of an iteration are kept, by their index."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from ...core.tree import describe, is_concrete
from ..saveat import SaveAt


def check_saveat(saveat: SaveAt, num_steps: Any) -> None:
    """Refuse what cannot be kept of a map; values are looked at where they are concrete."""
    if saveat.dense:
        msg = "A map has no states between its steps; got `SaveAt(dense=True)`. Keep them all with `SaveAt(steps=1)`."
        raise ValueError(msg)
    if saveat.steps is not None and not isinstance(num_steps, int):
        msg = (
            "`SaveAt(steps=k)` needs a `num_steps` that is known when tracing; got an array. Pass a Python integer, or "
            "the indices themselves as `saveat`."
        )
        raise ValueError(msg)
    if saveat.steps is not None and saveat.steps > num_steps:
        msg = (
            f"`SaveAt(steps=k)` saves every k-th of `num_steps` states; got k = {saveat.steps} and `num_steps` = "
            f"{num_steps}, which saves nothing. Pass a smaller k."
        )
        raise ValueError(msg)
    if saveat.ts is None:
        return
    if saveat.ts.ndim != 1 or saveat.ts.shape[0] == 0:
        msg = f"`saveat` must be a vector of indices; got {describe(saveat.ts)}. Pass, for example, `jnp.arange(11)`."
        raise ValueError(msg)
    if not is_concrete((saveat.ts, num_steps)):
        return
    ts = np.asarray(saveat.ts)
    bad = ~np.isfinite(ts) | (ts != np.round(ts)) | (ts < 0) | (ts > int(num_steps))
    if np.any(bad):
        msg = (
            f"`saveat` of a map holds indices, integers from 0 to `num_steps` = {int(num_steps)}; got {ts[bad][0]:g}. "
            "Round them, or let the map take more steps."
        )
        raise ValueError(msg)
    if np.any(np.diff(ts) < 0):
        msg = "`saveat` must be increasing; got unsorted indices. Sort them."
        raise ValueError(msg)


def as_indices(ts: Any, num_steps: Any) -> tuple[Any, Any]:
    """Save indices as integers, and whether any of them is not one, out of order or out of range."""
    indices = jnp.round(ts).astype(int)
    bad = jnp.any(indices != ts) | jnp.any(indices < 0) | jnp.any(indices > num_steps) | jnp.any(jnp.diff(indices) < 0)
    return indices, bad
