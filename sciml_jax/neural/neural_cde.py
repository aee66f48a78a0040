"""Neural controlled differential equations."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.checks import check_instance
from ..core.frozen import Frozen
from ..equations import ODEProblem, Solution, Tsit5
from ..networks import Normalise
from .control_path import ControlPath
from .missing_values import check_rows, observation_counts
from .network_checks import as_times, as_vector, check_network, check_output
from .path_kinds import AbstractPathKind, LinearPath
from .settings import settings


class NeuralCDE(eqx.Module):
    """A hidden state driven by data: `dz/ds = field(z) dX/ds`, `z(0) = initial(X(0))`, with a path X through the data.

    The continuous form of a recurrent network, for data at irregular times with missing values. `cde(ts, xs)` is
    `readout(z)` at the end; with `evolving=True` at every observation, leaves (T, ...).

    Parameters
    ----------
    field
        `field(z)` for z of shape (h,): the matrix (h, C), or its numbers in rows (h C,), for the C channels of the
        path. End it with tanh: rows of bounded size keep long solves from growing.
    initial
        `initial(x) -> (h,)` for the first row of the channels, shape (C,).
    readout
        `readout(z)`, any pytree; None returns z.
    path
        `LinearPath()`, `BackwardHermite()` for dense and smooth data, `Rectilinear()` for predictions that must not
        look ahead.
    time_channel
        Whether the time is the first channel. Without it the answer does not depend on the speed of the data.
    count_channels
        Whether c channels with the number of values seen so far are appended: what is missing may be informative.
    evolving
        Whether to read out at every observation.
    method, time, normalise, **options
        As for `NeuralODE`; `normalise` is for the c data channels; `time` is about `field(s, z)`.

    Raises
    ------
    TypeError, ValueError, SolveError
        As `NeuralODE`; for data that are not (T, c), times that decrease, and `Rectilinear` without a time channel.

    Notes
    -----
    Channels: the time, the c data, the c counts; C = c, c + 1, 2 c or 2 c + 1. Missing values are NaN in `xs`. Series
    of different lengths are padded by repeating the last time, with NaN as data: what follows the last time of a series
    does not change its answer. Derivatives by the data are those of the path.

    Cost: a matrix of h C numbers 6 times per step of `Tsit5`; `LinearPath` and `Rectilinear` take one or two steps per
    observation at least, `BackwardHermite` as few as the tolerance allows.

    References
    ----------
    Kidger, Morrill, Foster & Lyons, Neural controlled differential equations for irregular time series, NeurIPS 2020.

    Examples
    --------
    >>> field = eqx.nn.MLP(8, 8 * 3, 32, 1, final_activation=jnp.tanh, key=k1)   # h = 8, C = 2 channels and the time
    >>> cde = sj.neural.NeuralCDE(field, eqx.nn.Linear(3, 8, key=k2), eqx.nn.Linear(8, 1, key=k3))
    >>> logits = jax.vmap(cde)(ts, xs)      # ts (batch, T), xs (batch, T, 2) with NaN
    """

    field: Any
    initial: Any
    readout: Any
    path: AbstractPathKind
    normalise: Normalise | None
    time_channel: bool = eqx.field(static=True)
    count_channels: bool = eqx.field(static=True)
    evolving: bool = eqx.field(static=True)
    time: bool = eqx.field(static=True)
    settings: Frozen

    def __init__(
        self,
        field: Any,
        initial: Any,
        readout: Any = None,
        *,
        path: AbstractPathKind = LinearPath(),
        time_channel: bool = True,
        count_channels: bool = False,
        evolving: bool = False,
        method: Any = Tsit5(),
        time: bool = False,
        normalise: Normalise | None = None,
        **options: Any,
    ):
        for net, call in ((field, "field(z)"), (initial, "initial(x)"), (readout, "readout(z)")):
            if net is not None or not call.startswith("readout"):
                check_network(net, call.partition("(")[0], call)
        check_instance(path, AbstractPathKind, "path", "sj.neural.LinearPath()")
        self.field, self.initial, self.readout = field, initial, readout
        self.path, self.normalise = path, normalise
        self.time_channel, self.count_channels = bool(time_channel), bool(count_channels)
        self.evolving, self.time = bool(evolving), bool(time)
        self.settings = settings("NeuralCDE", method, options)

    def control(self, ts: Float[Array, " T"], xs: Float[Array, "T c"]) -> ControlPath:
        """The path through the data that drives the state."""
        ts, xs = as_times(ts, forward=True), jnp.asarray(xs)
        check_rows(ts, xs)
        counts = observation_counts(xs)
        data = self.path.fill(ts, xs if self.normalise is None else self.normalise(xs))
        clock = ts.astype(xs.dtype)[:, None]
        channels = [clock] * self.time_channel + [data] + [counts] * self.count_channels
        return self.path.path(ts, jnp.concatenate(channels, axis=1), 0 if self.time_channel else None)

    def problem(self, path: ControlPath) -> ODEProblem:
        """The `sj.ODEProblem` of the hidden state along a path."""
        start = as_vector(_of(self.initial, path.start, "initial", "the initial hidden state"), "initial(X(0))")
        field = ControlledField(self.field, path, self.time)
        s0, s1 = path.knots[0], path.knots[-1]
        rule = f"a matrix of {start.shape[0]} rows for the {path.start.shape[0]} channels of the path"
        check_output(field, (s0, start), start, "field", rule)
        return ODEProblem(field, start, s0, s1)

    def solve(self, ts: Float[Array, " T"], xs: Float[Array, "T c"]) -> Solution:
        """The solution for the hidden state, saved at the end or, with `evolving`, at the observations."""
        path = self.control(ts, xs)
        saveat = path.observed if self.evolving else None
        stops = None if path.is_smooth else path.knots
        return self.settings.value.solve(self.problem(path), saveat, tstops=stops)

    def __call__(self, ts: Float[Array, " T"], xs: Float[Array, "T c"]) -> Any:
        """`readout(z)` at the end, or at every observation."""
        solution = self.solve(ts, xs)
        if self.readout is None:
            return solution.ys if self.evolving else solution.y1
        return jax.vmap(self.readout)(solution.ys) if self.evolving else self.readout(solution.y1)


class ControlledField(eqx.Module):
    """`(s, z, args) -> field(z) dX/ds`."""

    field: Any
    path: ControlPath
    time: bool = eqx.field(static=True)

    def __call__(self, s: Any, z: Any, args: Any = None) -> Any:
        """The derivative of `z`."""
        del args
        push = self.path.derivative(s)
        matrix = jnp.asarray(self.field(s, z) if self.time else self.field(z))
        if matrix.ndim == 1 and matrix.size == z.size * push.size:
            matrix = matrix.reshape(z.size, push.size)
        return (matrix.astype(z.dtype) @ push.astype(z.dtype)).astype(z.dtype)


def _of(net: Any, x: Any, name: str, rule: str) -> Any:
    try:
        return net(x)
    except (TypeError, ValueError) as error:
        msg = (
            f"`{name}` must take the {x.shape[0]} channels of the path and return {rule}; calling it failed: {error}. "
            "Channels are the time, the data and the counts, as chosen."
        )
        raise ValueError(msg) from error
