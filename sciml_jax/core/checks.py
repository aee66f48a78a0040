"""Checks of what users pass. Each message states the rule, what was received, and the fix.

Shapes, dtypes and types are checked always; values only where they are concrete (not traced).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .tree import describe, is_concrete


def check_instance(value: Any, kinds: type | tuple[type, ...], name: str, example: str) -> None:
    """Refuse what is not an instance of `kinds`; a class passed instead of an instance gets its own message."""
    if isinstance(value, type) and issubclass(value, kinds):
        msg = f"`{name}` must be an instance; got the class `{value.__name__}`. Call it: `{value.__name__}()`."
        raise TypeError(msg)
    if not isinstance(value, kinds):
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        names = " or ".join(f"`{kind.__name__}`" for kind in kinds)
        msg = f"`{name}` must be an instance of {names}, such as `{example}`; got {value!r} ({type(value).__name__})."
        raise TypeError(msg)


def check_inexact_tree(tree: Any, name: str) -> None:
    """Refuse a state that is empty or has leaves that are not float or complex arrays."""
    leaves = jax.tree_util.tree_leaves(tree)
    if not leaves or all(np.size(leaf) == 0 for leaf in leaves):
        msg = f"`{name}` must hold at least one number; got {describe(tree)}. Pass an array or a pytree of arrays."
        raise ValueError(msg)
    for leaf in leaves:
        dtype = jnp.result_type(leaf) if isinstance(leaf, (int, float, complex, bool)) else getattr(leaf, "dtype", None)
        if dtype is None or not jnp.issubdtype(dtype, jnp.inexact):
            received = type(leaf).__name__ if dtype is None else np.dtype(dtype).name
            msg = (
                f"`{name}` must have float or complex leaves, because its derivative is a real number; got a leaf of "
                f"type {received}. Write `jnp.asarray(..., dtype=float)` or add a decimal point, for example `1.0`."
            )
            raise TypeError(msg)


def check_finite_tree(tree: Any, name: str) -> None:
    """Refuse NaN and infinities where the values are concrete."""
    if not is_concrete(tree):
        return
    bad = sum(int(np.sum(~np.isfinite(np.asarray(leaf)))) for leaf in jax.tree_util.tree_leaves(tree))
    if bad:
        total = sum(np.size(leaf) for leaf in jax.tree_util.tree_leaves(tree))
        msg = (
            f"`{name}` must be finite; got {bad} of {total} entries that are NaN or infinite. "
            "Check how it was computed."
        )
        raise ValueError(msg)


def check_scalar(value: Any, name: str) -> None:
    """Refuse anything that is not a real scalar."""
    dtype = getattr(value, "dtype", None)
    ok = isinstance(value, (int, float, np.generic)) or (dtype is not None and np.shape(value) == ())
    if not ok or isinstance(value, bool):
        msg = f"`{name}` must be a real scalar; got {describe(value)}. Pass a float."
        raise TypeError(msg)
    if dtype is not None and jnp.issubdtype(dtype, jnp.complexfloating):
        msg = f"`{name}` must be real; got dtype {dtype}. Pass its real part."
        raise TypeError(msg)


def check_interval(t0: Any, t1: Any) -> None:
    """Refuse times that are not real scalars, not finite, or equal."""
    check_scalar(t0, "t0")
    check_scalar(t1, "t1")
    for value, name in ((t0, "t0"), (t1, "t1")):
        if is_concrete(value) and not np.isfinite(np.asarray(value)):
            msg = f"`{name}` must be finite; got {float(value)}. Pass a finite time."
            raise ValueError(msg)
    if is_concrete((t0, t1)) and float(t0) == float(t1):
        msg = (
            f"`t0` and `t1` must differ; got {float(t0)} for both. Pass a `t1` after `t0` (or before it, to integrate "
            "backwards)."
        )
        raise ValueError(msg)


def check_save_times(ts: Any, t0: Any, t1: Any) -> None:
    """Refuse save times that are not a real vector, not finite, not sorted along the integration, or out of range."""
    if ts.ndim != 1 or not jnp.issubdtype(ts.dtype, jnp.floating):
        msg = (
            f"`saveat` times must be a one-dimensional array of floats; got {describe(ts)}. "
            "Pass, for example, `jnp.linspace(t0, t1, 101)`."
        )
        raise ValueError(msg)
    if ts.shape[0] == 0:
        msg = "`saveat` times must not be empty; got shape (0,). Pass `saveat=None` to save the end only."
        raise ValueError(msg)
    if not is_concrete((ts, t0, t1)):
        return
    ts, t0, t1 = np.asarray(ts), float(t0), float(t1)
    if not np.all(np.isfinite(ts)):
        msg = f"`saveat` times must be finite; got {int(np.sum(~np.isfinite(ts)))} that are not. Drop them."
        raise ValueError(msg)
    order = "increasing" if t1 > t0 else "decreasing"
    if np.any(np.diff(ts) * np.sign(t1 - t0) < 0):
        msg = f"`saveat` times must be {order} from t0 = {t0} to t1 = {t1}; got an unsorted array. Sort them."
        raise ValueError(msg)
    low, high = min(t0, t1), max(t0, t1)
    # linspace ends may miss t1 by a rounding error: those are pulled in by the solver, not refused.
    slack = 4 * np.finfo(ts.dtype).eps * max(abs(low), abs(high))
    outside = int(np.sum((ts < low - slack) | (ts > high + slack)))
    if outside:
        msg = (
            f"`saveat` times must lie in [t0, t1]; got {outside} of {ts.size} outside [{low:g}, {high:g}]. "
            "Pass a `t1` that covers them, or drop them."
        )
        raise ValueError(msg)


def check_tolerance(value: Any, name: str, state: Any) -> None:
    """Refuse tolerances that are negative, not finite, not real, or of a structure that does not fit the state."""
    leaves, treedef = jax.tree_util.tree_flatten(value)
    if not jax.tree_util.treedef_is_leaf(treedef) and treedef != jax.tree_util.tree_structure(state):
        msg = (
            f"`{name}` must be a scalar or a pytree like the state; got {describe(value)} for a state of "
            f"{describe(state)}. Pass one number, or one per leaf."
        )
        raise ValueError(msg)
    state_leaves = jax.tree_util.tree_leaves(state)
    matched = leaves * len(state_leaves) if len(leaves) == 1 else leaves
    for leaf, state_leaf in zip(matched, state_leaves, strict=True):
        shape, target = np.shape(leaf), np.shape(state_leaf)
        try:
            fits = np.broadcast_shapes(shape, target) == target
        except ValueError:
            fits = False
        if not fits:
            msg = f"`{name}` must broadcast to the state's leaf of shape {target}; got shape {shape}. Pass a scalar."
            raise ValueError(msg)
    for leaf in leaves:
        if isinstance(leaf, (str, bool)) or not np.issubdtype(
            np.result_type(getattr(leaf, "dtype", type(leaf))), np.number
        ):
            msg = f"`{name}` must be a number; got {leaf!r}. Pass, for example, `{name}=1e-6`."
            raise TypeError(msg)
        if is_concrete(leaf) and not (np.all(np.isfinite(np.asarray(leaf))) and np.all(np.asarray(leaf) >= 0)):
            msg = f"`{name}` must be finite and not negative; got {leaf}. Pass, for example, `{name}=1e-6`."
            raise ValueError(msg)


def check_not_both_zero(rtol: Any, atol: Any) -> None:
    """Refuse tolerances that are both zero: no step would ever be accepted."""
    given = [value for value in (rtol, atol) if value is not None]
    if len(given) < 2 or not is_concrete(given):
        return
    if not any(np.any(np.asarray(leaf) > 0) for leaf in jax.tree_util.tree_leaves(given)):
        msg = "`rtol` and `atol` must not both be zero; got zero for both. Pass, for example, `rtol=1e-6`."
        raise ValueError(msg)


def check_stops(stops: Any) -> None:
    """Refuse times to step on that are not a real, finite vector."""
    if stops is None:
        return
    real = jnp.issubdtype(stops.dtype, jnp.floating) or jnp.issubdtype(stops.dtype, jnp.integer)
    if stops.ndim != 1 or not real:
        msg = f"`tstops` must be a one-dimensional array of times; got {describe(stops)}. Pass `jnp.array([1.0])`."
        raise ValueError(msg)
    if is_concrete(stops) and not np.all(np.isfinite(np.asarray(stops))):
        msg = f"`tstops` must be finite; got {stops!r}. Drop the entries that are not."
        raise ValueError(msg)


def check_positive(value: Any, name: str) -> None:
    """Refuse scalars that are zero, negative or not finite where concrete."""
    check_scalar(value, name)
    if is_concrete(value) and not (np.isfinite(np.asarray(value)) and float(value) > 0):
        msg = f"`{name}` must be positive and finite; got {float(value)}. Signs follow from t0 and t1: pass its size."
        raise ValueError(msg)


def check_max_steps(max_steps: Any) -> None:
    """Refuse step limits that are not a positive Python integer or None."""
    if max_steps is None:
        return
    if isinstance(max_steps, bool) or not isinstance(max_steps, (int, np.integer)):
        msg = (
            f"`max_steps` must be a positive integer or None, known when tracing; got {max_steps!r} of type "
            f"{type(max_steps).__name__}. Pass, for example, `max_steps=4096`."
        )
        raise TypeError(msg)
    if max_steps <= 0:
        msg = f"`max_steps` must be at least 1; got {max_steps}. Pass, for example, `max_steps=4096`."
        raise ValueError(msg)
