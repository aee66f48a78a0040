"""Gaps in time series: NaN is a missing value."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def fill_linear(ts: Float[Array, " T"], xs: Float[Array, "T c"]) -> Float[Array, "T c"]:
    """Gaps on the straight line between the values around them; before the first and after the last value, that value.

    A channel without any value is 0.
    """
    before, after = _last_seen(xs), jnp.flip(xs.shape[0] - 1 - _last_seen(jnp.flip(xs, 0)), 0)
    known = jnp.nan_to_num(xs)
    pick = lambda table, rows: jnp.take_along_axis(table, jnp.clip(rows, 0, xs.shape[0] - 1), axis=0)
    columns = jnp.broadcast_to(ts[:, None], xs.shape)
    ta, tb, xa, xb = (pick(table, rows) for table, rows in zip((columns, columns, known, known), (before, after) * 2))
    gap = tb - ta
    share = jnp.where(gap > 0, (columns - ta) / jnp.where(gap > 0, gap, 1), 0)
    between = xa + share * (xb - xa)
    filled = jnp.where(before < 0, xb, jnp.where(after >= xs.shape[0], xa, between))
    nothing = (before < 0) & (after >= xs.shape[0])
    return jnp.where(nothing, 0, filled).astype(xs.dtype)


def fill_forward(xs: Float[Array, "T c"]) -> Float[Array, "T c"]:
    """Gaps hold the last value; 0 before the first, so that nothing comes from the future."""
    rows = _last_seen(xs)
    held = jnp.take_along_axis(jnp.nan_to_num(xs), jnp.maximum(rows, 0), axis=0)
    return jnp.where(rows < 0, 0, held).astype(xs.dtype)


def observation_counts(xs: Float[Array, "T c"]) -> Float[Array, "T c"]:
    """How many values every channel has had, each time included."""
    return jnp.cumsum(~jnp.isnan(xs), axis=0).astype(xs.dtype)


def _last_seen(xs: Any) -> Any:
    """For every entry the row of the last value at or before it; -1 where there is none."""
    rows = jnp.arange(xs.shape[0], dtype=jnp.int32)[:, None]
    return lax.associative_scan(jnp.maximum, jnp.where(jnp.isnan(xs), jnp.int32(-1), rows), axis=0)


def check_rows(ts: Any, xs: Any) -> None:
    """Refuse data whose shape does not fit the times."""
    if jnp.ndim(xs) != 2 or jnp.shape(xs)[0] != jnp.shape(ts)[0] or not jnp.issubdtype(xs.dtype, jnp.floating):
        msg = (
            f"`xs` must be floats of shape (T, c), one row for each of the {jnp.shape(ts)[0]} times; got "
            f"{jax.typeof(xs)}. Put the time axis first, mark missing values by NaN, and map over batches with "
            "`jax.vmap`."
        )
        raise ValueError(msg)
