"""What `sindy` accepts as data, as a list of trajectories, and what it refuses."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.checks import check_finite_tree
from ..core.tree import describe, is_concrete


class Trajectory(NamedTuple):
    """Times (T,), states (T, n), inputs (T, m), derivatives (T, n) or None."""

    ts: Any
    ys: Any
    us: Any
    rates: Any


def trajectories(ts: Any, ys: Any, inputs: Any, rates: Any) -> tuple[list[Trajectory], bool]:
    """One trajectory, a list or a batch of them, checked; and whether the states are scalars."""
    states = _split(ys, "ys")
    scalar = all(state.ndim == 1 for state in states)
    times = _times_of(ts, len(states), states)
    given = _inputs_of(inputs, times)
    known = [None] * len(states) if rates is None else _split(rates, "derivatives")
    if len(known) != len(states):
        msg = f"`derivatives` must be given for every trajectory; got {len(known)} for {len(states)}."
        raise ValueError(msg)
    found = [_checked(*one) for one in zip(times, states, given, known)]
    sizes = {one.ys.shape[1] for one in found} | {-one.us.shape[1] - 1 for one in found}
    if len(sizes) > 2:
        msg = f"all trajectories must have the same variables and inputs; got ys of {describe(ys)}. Pass them alike."
        raise ValueError(msg)
    return found, scalar


def _split(ys: Any, name: str) -> list[Any]:
    if isinstance(ys, (list, tuple)) and ys and all(np.ndim(y) >= 1 for y in ys):
        states = [_as_float(y) for y in ys]
    else:
        array = _as_float(ys)
        states = list(array) if array.ndim == 3 else [array]
    if not states or any(state.ndim not in (1, 2) or state.size == 0 for state in states):
        msg = (
            f"`{name}` must have shape (T,) or (T, n), (B, T, n) for a batch of trajectories, or be a list of such "
            f"arrays; got {describe(ys)}. Put the time axis before that of the variables."
        )
        raise ValueError(msg)
    if len({state.ndim for state in states}) > 1:
        msg = f"all trajectories must have the same variables; got `{name}` of {describe(ys)}. Pass them alike."
        raise ValueError(msg)
    return states


def _as_float(value: Any) -> Any:
    array = jnp.asarray(value)
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        msg = f"the data must be real; got {describe(array)}. Stack real and imaginary parts as two variables."
        raise TypeError(msg)
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)


def _times_of(ts: Any, count: int, states: list[Any]) -> list[Any]:
    if isinstance(ts, (list, tuple)) and ts and np.ndim(ts[0]) >= 1:
        times = [_as_float(t) for t in ts]
    else:
        array = _as_float(ts)
        times = list(array) if array.ndim == 2 else [array] * count
    bad = [(t.shape, y.shape) for t, y in zip(times, states) if t.ndim != 1 or t.shape[0] != y.shape[0]]
    if len(times) != count or bad:
        where = f"{len(times)} series of times for {count} trajectories" if len(times) != count else f"{bad[0]}"
        msg = f"`ts` must hold one time for each row of `ys`, per trajectory; got shapes {where}. Pass (T,) or (B, T)."
        raise ValueError(msg)
    for t in times:
        if is_concrete(t) and (not np.all(np.isfinite(t)) or np.any(np.diff(np.asarray(t)) <= 0)):
            msg = "`ts` must be finite and increase strictly; got times that do not. Sort the rows, one per time."
            raise ValueError(msg)
    return times


def _inputs_of(inputs: Any, times: list[Any]) -> list[Any]:
    if inputs is None:
        return [jnp.zeros((t.shape[0], 0), t.dtype) for t in times]
    if isinstance(inputs, Callable):
        return [jax.vmap(lambda one: jnp.asarray(inputs(one)).reshape(-1))(t) for t in times]
    return _split(inputs, "inputs")


def _checked(ts: Any, ys: Any, us: Any, rates: Any) -> Trajectory:
    columns = lambda array: array[:, None] if array.ndim == 1 else array
    ys, us = columns(ys), columns(us)
    rates = None if rates is None else columns(rates)
    if us.shape[0] != ts.shape[0]:
        msg = f"`inputs` must have one row for each of the {ts.shape[0]} times; got {describe(us)}."
        raise ValueError(msg)
    if rates is not None and rates.shape != ys.shape:
        msg = f"`derivatives` must be shaped like the states, {ys.shape}; got {rates.shape}. Pass one per sample."
        raise ValueError(msg)
    check_finite_tree(ys, "ys")
    check_finite_tree(us, "inputs")
    if rates is not None:
        check_finite_tree(rates, "derivatives")
    if ts.shape[0] < 3:
        msg = f"a trajectory must have at least three samples; got {ts.shape[0]}. Take more, or leave it out."
        raise ValueError(msg)
    return Trajectory(ts, ys, us, rates)
