"""What `Data` accepts. Values are looked at where they are concrete."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .tree import is_concrete


def check_columns(values: Any) -> None:
    """Refuse values that are not real or do not have the axes (E, T, C)."""
    if values.ndim != 3:
        msg = (
            "`ys` must have shape (T,), (T, C) or, for several experiments, (E, T, C); got an array with "
            f"{values.ndim} axes. Flatten the components of the state to one axis."
        )
        raise ValueError(msg)
    if not jnp.issubdtype(values.dtype, jnp.floating):
        msg = (
            f"`ys` must be real floats; got {values.dtype}. Pass `jnp.asarray(ys, float)`, or real and imaginary parts."
        )
        raise TypeError(msg)
    if 0 in values.shape:
        msg = f"`ys` must hold at least one value; got shape {values.shape}. Pass what was measured."
        raise ValueError(msg)


def as_times(ts: Any, values: Any) -> Any:
    """Times of shape (E, T), checked."""
    experiments, length, _ = values.shape
    if ts is None:
        if length != 1:
            msg = (
                f"without times (`ts=None`) there is one value per series and experiment; got {length} rows. Pass "
                "their "
                "times, or `ys` of shape (E, 1, C)."
            )
            raise ValueError(msg)
        return jnp.zeros((experiments, 1), values.dtype)
    ts = jnp.asarray(ts)
    ts = ts if jnp.issubdtype(ts.dtype, jnp.floating) else ts.astype(values.dtype)
    if ts.shape not in ((length,), (experiments, length)):
        msg = (
            f"`ts` must have shape ({length},) or ({experiments}, {length}), one time for each row of `ys`; got "
            f"{ts.shape} for `ys` of shape {values.shape} (experiments, times, series)."
        )
        raise ValueError(msg)
    if is_concrete(ts):
        _check_order(np.asarray(ts).reshape(-1, length))
    return jnp.broadcast_to(ts, (experiments, length))


def _check_order(ts: np.ndarray) -> None:
    if not np.all(np.isfinite(ts)):
        msg = f"`ts` must be finite; got {int(np.sum(~np.isfinite(ts)))} that are not. Drop those rows."
        raise ValueError(msg)
    steps = np.diff(ts, axis=1)
    if not all(np.all(row >= 0) or np.all(row <= 0) for row in steps):
        msg = "`ts` must be sorted; got times that go up and down. Sort the rows of `ts` and `ys` together."
        raise ValueError(msg)


def as_mask(mask: Any, values: Any) -> Any:
    """A boolean mask of the shape of the values, with at least one True."""
    if mask is None:
        return jnp.ones(values.shape, bool)
    if mask.dtype != bool:
        msg = f"`mask` must be boolean, True where a value was measured; got {mask.dtype}. Pass `mask.astype(bool)`."
        raise TypeError(msg)
    mask = mask[None] if mask.ndim == 2 and mask.shape != values.shape else mask
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = jnp.broadcast_to(mask, (*mask.shape[:2], values.shape[2]))
    if mask.shape != values.shape:
        msg = f"`mask` must have the shape of `ys`, {values.shape}; got {mask.shape}. One boolean for each value."
        raise ValueError(msg)
    if is_concrete(mask) and not np.any(np.asarray(mask)):
        msg = "`mask` must be True somewhere; got all False. True is where a value was measured."
        raise ValueError(msg)
    return mask


def check_finite(values: Any, mask: Any) -> None:
    """Refuse NaN and infinities that the mask does not cover."""
    if not is_concrete((values, mask)):
        return
    bad = int(np.sum(~np.isfinite(np.asarray(values)) & np.asarray(mask)))
    if bad:
        msg = (
            f"`ys` must be finite where `mask` is True; got {bad} of {values.size} values that are NaN or infinite. "
            "Missing values: pass `mask=jnp.isfinite(ys)`."
        )
        raise ValueError(msg)


def as_noise(noise: Any, values: Any, mask: Any) -> Any:
    """Standard deviations of the shape of the values; 1 where nothing was measured."""
    try:
        noise = jnp.broadcast_to(noise.astype(values.dtype), values.shape)
    except ValueError:
        msg = (
            f"`noise` must be a scalar, one per series ({values.shape[2]},), or of the shape of `ys`, {values.shape}; "
            f"got {noise.shape}."
        )
        raise ValueError(msg) from None
    if is_concrete((noise, mask)):
        found, measured = np.asarray(noise), np.asarray(mask)
        if not np.all(np.isfinite(found[measured]) & (found[measured] > 0)):
            msg = (
                "`noise` must be positive and finite where values were measured: it is a standard deviation; got "
                f"{found[measured][~(found[measured] > 0)][:3] if np.any(~(found[measured] > 0)) else 'infinities'}. "
                "Mask values that say nothing."
            )
            raise ValueError(msg)
    return jnp.where(mask, noise, 1)


def as_components(observed: Any, series: int) -> tuple[int, ...] | None:
    """None, or a tuple of indices, one per series."""
    if observed is None:
        return None
    indices = [observed] if isinstance(observed, (int, np.integer)) else list(observed)
    if not all(isinstance(i, (int, np.integer)) and not isinstance(i, bool) and i >= 0 for i in indices):
        msg = (
            f"`observed` must hold indices of components of the state, 0 or more, or be a function (t, y, args); got "
            f"{observed!r}. For a mask take `jnp.flatnonzero(mask)`."
        )
        raise ValueError(msg)
    if len(indices) != series:
        msg = f"`observed` must name one component per series; got {len(indices)} for {series} series in `ys`."
        raise ValueError(msg)
    return tuple(int(i) for i in indices)


def check_experiments(tree: Any, name: str, experiments: int) -> None:
    """Refuse leaves without the experiments in front."""
    for leaf in jax.tree.leaves(tree):
        if leaf.ndim == 0 or leaf.shape[0] != experiments:
            msg = (
                f"leaves of `{name}` must have the {experiments} experiments in front; got shape {leaf.shape}. Stack "
                "one for each experiment."
            )
            raise ValueError(msg)


def check_unknown_y0(bounds: Any) -> tuple:
    """A pair of bounds for the initial state, not crossed."""
    if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
        msg = f"`unknown_y0` must be a pair (lower, upper) of bounds for the initial state; got {bounds!r}."
        raise ValueError(msg)
    lower, upper = (jax.tree.map(jnp.asarray, side) for side in bounds)
    if jax.tree.structure(lower) != jax.tree.structure(upper):
        msg = "both sides of `unknown_y0` must be pytrees like the state; got different structures."
        raise ValueError(msg)
    if is_concrete((lower, upper)):
        pairs = zip(jax.tree.leaves(lower), jax.tree.leaves(upper))
        if not all(np.all(np.asarray(low) < np.asarray(high)) for low, high in pairs):
            msg = f"`unknown_y0` must have lower < upper; got {lower} and {upper}. Swap them where they are crossed."
            raise ValueError(msg)
    return lower, upper
