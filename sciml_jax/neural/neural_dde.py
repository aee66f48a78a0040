"""Neural delay differential equations."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core.callables import as_callable
from ..core.frozen import Frozen
from ..equations import DDEProblem, Solution, Tsit5
from ..networks import Normalise
from .network_checks import as_times, as_vector, check_network, check_output
from .settings import settings


class NeuralDDE(eqx.Module):
    """A network that sees the past: `dy/dt = net((y(t), y(t - lag_1), ..., y(t - lag_m)))`.

    `dde(history, ts)` are the states at `ts`, shape (T, n). The network takes one vector of n (1 + m) numbers, the
    present state first.

    Parameters
    ----------
    net
        `net(z) -> (n,)` for z of shape (n (1 + m),), or `net(t, z)` with `time=True`.
    lags
        m numbers, not negative. Arrays are trained with the network, Python numbers are not.
    method, time, normalise, **options
        As for `NeuralODE`.

    Raises
    ------
    TypeError, ValueError, SolveError
        As `NeuralODE`; for lags that are negative, no lags at all, and times that decrease.

    Notes
    -----
    Steps end on the breaking points `t0 + lag`, `t0 + 2 lag`, ... where a derivative of the solution jumps. A lag may
    be shorter than a step. Memory: see `sj.DDEProblem`. For lags that depend on the state, neutral equations or a
    pytree as a state, put the network into an `sj.DDEProblem` by hand.

    References
    ----------
    Zhu, Guo & Lin, Neural delay differential equations, ICLR 2021.
    """

    field: "DelayField"
    settings: Frozen

    def __init__(
        self,
        net: Any,
        lags: Any,
        *,
        method: Any = Tsit5(),
        time: bool = False,
        normalise: Normalise | None = None,
        **options: Any,
    ):
        check_network(net, "net", "net(t, z)" if time else "net(z)")
        lags = _as_lags(lags)
        self.field = DelayField(net, lags, normalise, bool(time))
        self.settings = settings("NeuralDDE", method, options)

    @property
    def net(self) -> Any:
        """The network."""
        return self.field.net

    @property
    def lags(self) -> tuple:
        """The lags."""
        return self.field.lags

    def problem(self, history: Any, t0: Any, t1: Any) -> DDEProblem:
        """The `sj.DDEProblem` that a call solves."""
        before = _as_history(history)
        y0 = as_vector(before(t0), "history(ts[0])")
        name = "the derivative of the state, from the state and those at the lags"
        check_output(lambda t, y: self.field(t, y, ConstantHistory(y)), (t0, y0), y0, "net", name)
        return DDEProblem(self.field, before, t0, t1, lags=self.lags)

    def solve(self, history: Any, ts: Float[Array, " T"]) -> Solution:
        """The solution; arguments as in a call."""
        ts = as_times(ts, forward=True)
        return self.settings.value.solve(self.problem(history, ts[0], ts[-1]), ts)

    def __call__(self, history: Any, ts: Float[Array, " T"]) -> Any:
        """States at `ts`, shape (T, n).

        Parameters
        ----------
        history
            The state before `ts[0]`: a function `history(t) -> (n,)`, an Equinox module or Partial among them, or a
            vector (n,) for a constant past.
        ts
            (T,), increasing.
        """
        return self.solve(history, ts).ys


class DelayField(eqx.Module):
    """`(t, y, past, args) -> dy/dt`."""

    net: Any
    lags: tuple
    normalise: Normalise | None
    time: bool = eqx.field(static=True)

    def __call__(self, t: Any, y: Any, past: Callable, args: Any = None) -> Any:
        """The derivative of `y`."""
        del args
        states = [y, *(past(t - lag) for lag in self.lags)]
        if self.normalise is None:
            return _like(y, self._of(t, jnp.concatenate(states)))
        seen = jnp.concatenate([self.normalise(state) for state in states])
        return self.normalise.stretch(_like(y, self._of(t, seen)))

    def _of(self, t: Any, z: Any) -> Any:
        return self.net(t, z) if self.time else self.net(z)


class ConstantHistory(eqx.Module):
    """The same state at every earlier time."""

    y0: Any

    def __call__(self, t: Any) -> Any:
        """The state."""
        del t
        return self.y0


def _like(y: Any, out: Any) -> Any:
    return jnp.asarray(out).astype(y.dtype)


def _as_history(history: Any) -> Callable:
    return as_callable(history, "history", "t") if callable(history) else ConstantHistory(as_vector(history, "history"))


def _as_lags(lags: Any) -> tuple:
    if isinstance(lags, (list, tuple)):
        found = tuple(lags)
    else:
        # A vector of lags is taken apart: each is a scalar of its own.
        found = tuple(lags[i] for i in range(len(lags))) if np.ndim(lags) else (lags,)
    if not found or any(callable(lag) for lag in found):
        msg = (
            f"`lags` must be at least one number; got {lags!r}. Without lags use `NeuralODE`; for lags that are "
            "functions put the network into an `sj.DDEProblem`."
        )
        raise ValueError(msg)
    return found
