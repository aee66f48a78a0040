"""The weak form: laws from integrals of data against test functions, without differentiating the data."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core.tree import is_concrete
from .local_lagrange import quadrature_weights

SMALLEST = 6
"""Samples on either side of a test function's centre, at least."""


class Weak(eqx.Module):
    r"""Integration of a law against test functions: `-int phi' y dt = int phi f(y) dt` for every window of the data.

    The test function of a window is `phi = (1 - s^2)^order`, s from -1 to 1 across it, so that no boundary terms are
    left and noise is averaged over the window instead of being amplified by a derivative. Integrals use every sample;
    with equal steps the quadrature error is far below the noise (Euler-Maclaurin), otherwise that of cubic
    interpolation.

    Parameters
    ----------
    half_width
        Samples on either side of a window's centre. None: from the data, `sqrt(2 order + 3) / w` in time, with w the
        angular frequency where the spectrum of the data sinks into the noise; the test function's spectrum then has w
        as its standard deviation. Wider averages more noise and blurs more.
    order
        Of the test function, at least 2.
    stride
        Samples from window to window. None: a fifth of `half_width`.

    Notes
    -----
    Noise enters the candidates too and biases coefficients by about its relative variance. A trajectory needs at least
    13 samples, and several within the shortest time scale. `half_width` must be given where the data are traced.

    References
    ----------
    Messenger & Bortz, Weak SINDy: Galerkin-based data-driven model selection, Multiscale Model. Simul. 19 (2021)
    1474-1497.
    """

    half_width: int | None = eqx.field(static=True)
    order: int = eqx.field(static=True)
    stride: int | None = eqx.field(static=True)

    def __init__(self, half_width: int | None = None, *, order: int = 8, stride: int | None = None):
        for value, name, lowest in ((half_width, "half_width", 1), (order, "order", 2), (stride, "stride", 1)):
            optional = value is None and name != "order"
            if not optional and (isinstance(value, bool) or not isinstance(value, int) or value < lowest):
                msg = f"`{name}` must be an integer of at least {lowest}; got {value!r}. Leave it out for the default."
                raise ValueError(msg)
        self.half_width, self.order, self.stride = half_width, order, stride

    def rows(self, ts: Float[Array, "T"], ys: Float[Array, "T n"], theta: Float[Array, "T K"]) -> tuple[Any, Any, Any]:
        """Integrals of the candidates (rows, K) and of the rates (rows, n), and how many rows are independent."""
        m = self._half_width(ts, ys)
        stride = self.stride or max(1, m // 5)
        integrals, rates = _integrate(self.order, m, stride, ts, ys, theta)
        return integrals, rates, max(integrals.shape[0] * min(1.0, stride / m), 1.0)

    def _half_width(self, ts: Any, ys: Any) -> int:
        longest = (ts.shape[0] - 1) // 2
        if longest < SMALLEST:
            msg = (
                f"the weak form needs at least {2 * SMALLEST + 1} samples per trajectory; got {ts.shape[0]}. "
                "Leave out `weak`, or take more samples."
            )
            raise ValueError(msg)
        if self.half_width is not None:
            if self.half_width > longest:
                msg = (
                    f"`half_width` must leave room in a trajectory of {ts.shape[0]} samples; got {self.half_width}, "
                    f"at most {longest} fits. Lower it."
                )
                raise ValueError(msg)
            return self.half_width
        if not is_concrete((ts, ys)):
            msg = "`half_width` must be given where the data are traced; got None. Pass `Weak(half_width=30)`."
            raise ValueError(msg)
        times = np.asarray(ts, float)
        width = np.sqrt(2 * self.order + 3) / corner_frequency(times, np.asarray(ys, float))
        step = (times[-1] - times[0]) / (times.size - 1)
        return int(np.clip(round(width / step), SMALLEST, max(SMALLEST, (times.size - 1) // 4)))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _integrate(order: int, m: int, stride: int, ts: Any, ys: Any, theta: Any) -> tuple[Any, Any]:
    """Integrals of the candidates and of the rates over windows of 2 m + 1 samples."""
    starts = np.arange(0, ts.shape[0] - 2 * m, stride)
    window = starts[:, None] + np.arange(2 * m + 1)
    times = ts[window]
    radius = (times[:, -1:] - times[:, :1]) / 2
    s = (times - times[:, :1]) / radius - 1
    bump = jnp.maximum(1 - s**2, 0.0)
    # Normalised by the radius, so that windows of different lengths weigh the same.
    weights = quadrature_weights(ts, 4)[window] / radius
    test = weights * bump**order
    slope = -2 * order * s * bump ** (order - 1) / radius * weights
    integrals = jnp.einsum("rw,rwk->rk", test.astype(theta.dtype), theta[window])
    return integrals, -jnp.einsum("rw,rwn->rn", slope.astype(ys.dtype), ys[window])


def corner_frequency(ts: np.ndarray, ys: np.ndarray) -> float:
    """The angular frequency at which the spectrum sinks into the noise, the highest of all columns.

    The running sum of a spectrum's sizes rises steeply and then, over the noise, evenly: the corner is where two
    straight lines fit that sum best.
    """
    even = np.linspace(ts[0], ts[-1], ts.size)
    corners = []
    for column in ys.T:
        values = np.interp(even, ts, column)
        ends = np.linspace(values[0], values[-1], values.size)  # without a jump between the ends
        total = np.cumsum(np.abs(np.fft.rfft(values - ends)))
        corners.append(_corner(total / total[-1]) if total[-1] > 0 else 1)
    return 2 * np.pi * max(corners) / (ts[-1] - ts[0])


def _corner(total: np.ndarray) -> int:
    places = np.arange(total.size)
    candidates = np.unique(np.linspace(1, total.size - 2, min(400, max(total.size - 2, 1))).astype(int))
    errors = []
    for place in candidates:
        bend = np.interp(places, (0.0, float(place), float(places[-1])), (0.0, float(total[place]), float(total[-1])))
        errors.append(np.sum((total - bend) ** 2))
    return max(int(candidates[int(np.argmin(errors))]), 1)
