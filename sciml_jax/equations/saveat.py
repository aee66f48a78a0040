"""What a solve keeps of the trajectory."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..core.callables import as_callable


class SaveAt(eqx.Module):
    """What to save. `sj.solve(..., saveat=times)` is short for `saveat=sj.SaveAt(ts=times)`.

    Parameters
    ----------
    t0, t1
        Whether to save the initial and the final state, before and after everything else.
    ts
        Times to save at, shape (T,), sorted along the direction of integration and within the interval.
    steps
        Save every `steps`-th accepted step; the rows that were not reached hold NaN, up to `max_steps // steps` rows.
        Cannot be combined with `ts`. With `t1=True` the end comes after the padding.
    dense
        Keep every step's interpolant, so that `sol(t)` works for any t of the interval. Memory: `max_steps` times the
        state times the number of stages.
    fn
        `fn(t, y, args)`, saved instead of `y`: any pytree of float or complex arrays. It does not change `sol(t)`.

    Raises
    ------
    ValueError
        If nothing is to be saved, or `ts` and `steps` are combined.
    """

    t0: bool = eqx.field(static=True)
    t1: bool = eqx.field(static=True)
    ts: Any
    steps: int | None = eqx.field(static=True)
    dense: bool = eqx.field(static=True)
    fn: Callable | None

    def __init__(
        self,
        *,
        t0: bool = False,
        t1: bool = False,
        ts: Any = None,
        steps: int | None = None,
        dense: bool = False,
        fn: Callable | None = None,
    ):
        if steps is not None and (isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1):
            msg = (
                f"`SaveAt(steps=k)` saves every k-th step: k must be a positive integer; got {steps!r}. Pass `steps=1`."
            )
            raise ValueError(msg)
        if ts is not None and steps is not None:
            msg = (
                "`SaveAt` takes either `ts` or `steps`; got both. Use `steps` with `dense=True` and evaluate `sol(ts)`."
            )
            raise ValueError(msg)
        if not (t0 or t1 or ts is not None or steps is not None or dense):
            msg = "`SaveAt()` must save something; got nothing. Pass one of `t0`, `t1`, `ts`, `steps`, `dense`."
            raise ValueError(msg)
        self.t0 = bool(t0)
        self.t1 = bool(t1)
        self.ts = None if ts is None else _as_times(ts)
        self.steps = None if steps is None else int(steps)
        self.dense = bool(dense)
        self.fn = None if fn is None else as_callable(fn, "SaveAt(fn=...)", "t", "y", "args")


def _as_times(ts: Any) -> Any:
    """Times as an array; integers are as good as floats here."""
    ts = jnp.asarray(ts)
    return ts.astype(float) if jnp.issubdtype(ts.dtype, jnp.integer) else ts


def as_saveat(saveat: Any) -> SaveAt:
    """Turn None (save the end), an array of times, or a `SaveAt` into a `SaveAt`."""
    if saveat is None:
        return SaveAt(t1=True)
    if isinstance(saveat, SaveAt):
        return saveat
    if isinstance(saveat, type) or callable(saveat) or isinstance(saveat, (str, dict, bool)):
        msg = (
            f"`saveat` must be an array of times or an `sj.SaveAt(...)`; got {saveat!r}. "
            "Pass, for example, `jnp.linspace(t0, t1, 101)`."
        )
        raise TypeError(msg)
    try:
        times = jnp.asarray(saveat)
    except (TypeError, ValueError):
        msg = (
            f"`saveat` must be an array of times or an `sj.SaveAt(...)`; got {saveat!r} ({type(saveat).__name__}). "
            "Pass, for example, `jnp.linspace(t0, t1, 101)`."
        )
        raise TypeError(msg) from None
    return SaveAt(ts=times)
