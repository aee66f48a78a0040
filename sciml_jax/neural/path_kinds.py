"""How observations are joined into the path that drives a `NeuralCDE`."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .control_path import ControlPath
from .missing_values import fill_forward, fill_linear


class AbstractPathKind(eqx.Module):
    """A rule that makes a path of observations."""

    @abc.abstractmethod
    def fill(self, ts: Float[Array, " T"], xs: Float[Array, "T c"]) -> Float[Array, "T c"]:
        """The data without gaps."""

    @abc.abstractmethod
    def path(self, ts: Float[Array, " T"], channels: Float[Array, "T C"], clock: int | None) -> ControlPath:
        """The path through channels without gaps; `clock` is the channel that holds the time, if there is one."""


class LinearPath(AbstractPathKind):
    """Straight lines between the observations, on which solves step; the default.

    Gaps are filled linearly. Not causal: the path between two observations depends on the later one.
    """

    def fill(self, ts: Float[Array, " T"], xs: Float[Array, "T c"]) -> Float[Array, "T c"]:
        """Linear between the values around a gap."""
        return fill_linear(ts, xs)

    def path(self, ts: Float[Array, " T"], channels: Float[Array, "T C"], clock: int | None) -> ControlPath:
        """dX/dt is constant between observations."""
        del clock
        slopes = _divided(jnp.diff(channels, axis=0), jnp.diff(ts))
        return ControlPath(ts, slopes[:, None, :], channels[0], ts, is_smooth=False)


class BackwardHermite(AbstractPathKind):
    """Cubics whose slope at an observation is that of the line from the one before: smooth.

    dX/dt is continuous, so solves need not step on the observations, which saves steps where data are dense and smooth.
    Not for noisy data at irregular times: where a short gap is followed by a long one, the cubic overshoots by noise
    times the ratio of both. Gaps are filled linearly. The path after an observation depends on the next one alone.

    References
    ----------
    Morrill, Kidger, Yang & Lyons, Neural controlled differential equations for online prediction tasks,
    arXiv:2106.11028 (2021).
    """

    def fill(self, ts: Float[Array, " T"], xs: Float[Array, "T c"]) -> Float[Array, "T c"]:
        """Linear between the values around a gap."""
        return fill_linear(ts, xs)

    def path(self, ts: Float[Array, " T"], channels: Float[Array, "T C"], clock: int | None) -> ControlPath:
        """dX/dt is a parabola between observations."""
        del clock
        h = jnp.diff(ts)
        chord = _divided(jnp.diff(channels, axis=0), h)
        # The slope where a piece begins is the chord before it; the first piece begins with its own.
        slope = jnp.concatenate([chord[:1], chord[:-1]])
        bend = _divided(chord - slope, h)
        # With slopes m at the start and d (its own chord) at the end: X' = m + 4 (d-m) u - 3 (d-m) u^2 for u = s / h.
        parts = [slope, 4 * bend, -3 * _divided(bend, h)]
        return ControlPath(ts, jnp.stack(parts, axis=1), channels[0], ts, is_smooth=True)


class Rectilinear(AbstractPathKind):
    """Time moves first, the data then jump: causal, for predictions while data arrive.

    The path is parametrised by s = 0, 1, ..., 2 (T - 1): from s = 2 i to 2 i + 1 only the time channel moves, to 2 i +
    2 only the others. Gaps hold the last value, 0 before the first. Needs the time channel, and costs two steps per
    observation at least.
    """

    def fill(self, ts: Float[Array, " T"], xs: Float[Array, "T c"]) -> Float[Array, "T c"]:
        """The last value."""
        del ts
        return fill_forward(xs)

    def path(self, ts: Float[Array, " T"], channels: Float[Array, "T C"], clock: int | None) -> ControlPath:
        """dX/ds is constant on every half."""
        if clock is None:
            msg = (
                "`Rectilinear()` lets time and data move in turn, so it needs the time as a channel; got "
                "`time_channel=False`. Drop that, or use `LinearPath()`."
            )
            raise ValueError(msg)
        moves = jnp.diff(channels, axis=0)
        is_clock = jnp.arange(channels.shape[1]) == clock
        halves = jnp.stack([jnp.where(is_clock, moves, 0), jnp.where(is_clock, 0, moves)], axis=1)
        count = 2 * moves.shape[0]
        knots = jnp.arange(count + 1, dtype=ts.dtype)
        return ControlPath(knots, halves.reshape(count, 1, -1), channels[0], knots[::2], is_smooth=False)


def _divided(moves: Any, h: Any) -> Any:
    """`moves / h`, 0 where knots coincide."""
    h = h.astype(moves.dtype)[:, None]
    return jnp.where(h > 0, moves / jnp.where(h > 0, h, 1), 0)
