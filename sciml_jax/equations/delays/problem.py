"""Initial value problems for delay differential equations."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ...core.callables import as_callable
from ...core.checks import check_finite_tree, check_inexact_tree, check_interval, check_scalar
from ...core.tree import describe, is_concrete

HISTORY_STEPS = 1024
"""Steps that the lags can reach back over, where `history_steps` does not say otherwise."""


class DDEProblem(eqx.Module):
    """A delay differential equation, `dy/dt = f(t, y, past, args)` with `past(s) = y(s)`, from `t0` to `t1`.

    Before `t0` the solution is a given function, `past(s) = history(s)`. With lags `tau_j`, the equation is
    `y'(t) = f(t, y(t), y(t - tau_1), ..., y(t - tau_m))`; a neutral one also reads `y'(t - tau_j)`.

    Parameters
    ----------
    vector_field
        `f(t, y, past, args) -> dy/dt`, shaped like the state. `past(s)` is the state at one time `s`, with
        `s = t - lag` for one of the `lags` (or `s = t`); map it with `jax.vmap` for several. With `neutral=True`,
        `past(s, derivative=True)` is the slope there.
    history
        `history(t)` or `history(t, args)`: the state for `t <= t0`, shaped like `y0`. A function, an Equinox module or
        a `jax.tree_util.Partial`; it may close over traced values, and derivatives with respect to those are exact.
    t0, t1
        The ends of the interval, real scalars with `t0 < t1`.
    args
        Any pytree, handed to the vector field, the lags and (with two arguments) the history.
    lags
        Every lag that the vector field uses: non-negative numbers, or functions `lag(t, y, args) >= 0`. Numbers may be
        traced and differentiated. A lag may be shorter than a step, and may vanish.
    y0
        The state at `t0`; None means `history(t0)`. Another value makes the solution jump at `t0`.
    neutral
        Whether the vector field reads the past slope.
    history_steps
        How many steps the lags can reach back over, at most; see the notes on memory.

    Raises
    ------
    TypeError, ValueError
        For lags that are negative or no scalars, `t1 <= t0`, a history that is not shaped like `y0`, integer states, or
        values that are not finite. At the first trace: for a lookup with `lags=()`, of several times at once, or of the
        slope without `neutral=True`.

    Notes
    -----
    Breaking points: where the solution or its slope jumps at `t0`, a derivative of it, one higher for every lag passed,
    jumps at `t0 + tau`, `t0 + 2 tau`, ... Steps end on those points exactly, up to the order of the method: of constant
    lags because they are known, of others by a root of `t - lag(t, y) = xi` on the dense output. In a neutral equation
    the slope goes on jumping, and all of them are stepped on. Kinks of the history itself are not looked for: pass
    `tstops` at the times at which the lags reach them.

    Lags shorter than a step: the step is repeated on its own dense output until that stands still, and shortened where
    it does not.

    Failures: a lookup that is no declared lag ends in `Status.UNDECLARED_LAG`, one later than `t` in
    `Status.NEGATIVE_LAG`, and one further back than `history_steps` steps in `Status.HISTORY_FULL`.

    Memory: a ring of `min(max_steps, history_steps)` dense outputs, whatever the length of the integration: for
    `Tsit5` and n numbers `8 n + 3` floats each, 0.09 MB for n = 1 and 1,024 steps. Derivatives keep those of all
    `max_steps` steps, and as many tangents or cotangents.

    Derivatives are those of the discrete solution, with respect to arguments, history, `y0`, `t0`, `t1` and the lags,
    along whose breaking points the ends of steps move. `adjoint` must be `sj.Replay()` or None.

    References
    ----------
    Bellen & Zennaro, Numerical Methods for Delay Differential Equations (2003). Shampine & Thompson, Solving DDEs in
    MATLAB, Appl. Numer. Math. 37 (2001) 441-458.
    """

    vector_field: Callable
    history: Callable
    y0: PyTree
    t0: Any
    t1: Any
    args: PyTree
    lags: tuple
    neutral: bool = eqx.field(static=True)
    starts_on_history: bool = eqx.field(static=True)
    history_takes_args: bool = eqx.field(static=True)
    history_steps: int = eqx.field(static=True)
    mass_matrix: Any = None
    jacobian: Any = None
    sparsity: Any = None

    def __init__(
        self,
        vector_field: Callable,
        history: Callable,
        t0: Any,
        t1: Any,
        args: PyTree = None,
        *,
        lags: Sequence = (),
        y0: PyTree = None,
        neutral: bool = False,
        history_steps: int = HISTORY_STEPS,
    ):
        self.vector_field = as_callable(vector_field, "vector_field", "t", "y", "past", "args")
        check_interval(t0, t1)
        if is_concrete((t0, t1)) and not float(t1) > float(t0):
            msg = (
                f"`t1` must lie after `t0`, because the past must be known; got t0 = {float(t0)} and t1 = {float(t1)}. "
                "Substitute `-t` for `t` if the equation looks ahead instead."
            )
            raise ValueError(msg)
        self.history_takes_args = _takes_args(history)
        names = ("t", "args") if self.history_takes_args else ("t",)
        self.history = as_callable(history, "history", *names)
        # Times are operands of the compiled program; Python integers would be part of it.
        self.t0 = float(t0) if isinstance(t0, int) else t0
        self.t1 = float(t1) if isinstance(t1, int) else t1
        self.args = args
        self.lags = _as_lags(lags)
        self.neutral = bool(neutral)
        self.starts_on_history = y0 is None
        self.history_steps = _as_count(history_steps)
        y0 = self.before(self.t0) if y0 is None else y0
        check_inexact_tree(y0, "history(t0)" if self.starts_on_history else "y0")
        check_finite_tree(y0, "history(t0)" if self.starts_on_history else "y0")
        self.y0 = jax.tree_util.tree_map(jnp.asarray, y0)
        if not self.starts_on_history:
            _check_history(jax.eval_shape(lambda: self.before(self.t0)), self.y0)

    def before(self, t: Any, args: Any = None) -> PyTree:
        """The history at a time."""
        args = self.args if args is None else args
        return self.history(t, args) if self.history_takes_args else self.history(t)

    def functions(self) -> tuple:
        """The user's functions beside the vector field."""
        return (self.history, *(lag for lag in self.lags if callable(lag)))

    def default_method(self) -> Any:
        """The method behind `method=None`: `AutoSwitch`, which changes to a stiff method where the problem is stiff."""
        # Methods name the problems that they solve, so they import this module.
        from ..methods.auto_switch import AutoSwitch

        return AutoSwitch()


def _takes_args(history: Any) -> bool:
    """Whether the history is a function of `(t, args)`; one that can be called with `t` alone is not."""
    try:
        signature = inspect.signature(history)
    except (TypeError, ValueError):
        return False
    for arguments, answer in ((("t",), False), (("t", "args"), True)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return answer
    return False


def _as_lags(lags: Any) -> tuple:
    given = tuple(lags) if isinstance(lags, (tuple, list)) else (lags,)
    return tuple(_as_lag(lag, i) for i, lag in enumerate(given))


def _as_lag(lag: Any, i: int) -> Any:
    name = f"lags[{i}]"
    if callable(lag):
        return as_callable(lag, name, "t", "y", "args")
    check_scalar(lag, name)
    if is_concrete(lag):
        value = float(np.asarray(lag))
        if not (np.isfinite(value) and value >= 0):
            msg = (
                f"`{name}` must be finite and not negative, because `past(t - lag)` must be known; got {value}. "
                "Pass the lag itself, `1.0` for `past(t - 1.0)`."
            )
            raise ValueError(msg)
    return float(lag) if isinstance(lag, int) else lag


def _as_count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        msg = f"`history_steps` must be a positive integer; got {value!r} ({type(value).__name__}). Pass, say, 4096."
        raise TypeError(msg)
    if value < 1:
        msg = f"`history_steps` must be at least 1; got {value}. Pass, for example, `history_steps=4096`."
        raise ValueError(msg)
    return int(value)


def _check_history(out: Any, y0: Any) -> None:
    shapes = [[jnp.shape(leaf) for leaf in jax.tree_util.tree_leaves(tree)] for tree in (out, y0)]
    if jax.tree_util.tree_structure(out) != jax.tree_util.tree_structure(y0) or shapes[0] != shapes[1]:
        msg = (
            "`history(t)` must return a pytree with the structure and shapes of the state; got "
            f"{describe(out)} for a state of {describe(y0)}. Return the whole state."
        )
        raise ValueError(msg)
