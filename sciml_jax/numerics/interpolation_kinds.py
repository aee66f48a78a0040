"""How tabulated values are joined between the times of the table."""

import abc
import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from .interpolation import cubic_hermite
from .loops import vary_like


class AbstractInterpolation(eqx.Module):
    """A rule for what lies between two rows of a table; `sj.interpolate` takes an instance."""

    @abc.abstractmethod
    def slopes(self, ts: Any, values: Any) -> Any:
        """Derivatives at the knots, shaped like `values` (T, ...); None for a rule that needs none."""

    @abc.abstractmethod
    def between(self, h: Any, fraction: Any, is_end: Any, ends: tuple, slopes: Any) -> Any:
        """The value at `fraction` of an interval of length `h`, from the values and slopes at its ends.

        `is_end` says that the time is the right end of the interval, which happens in the last one only.
        """


class PiecewiseConstant(AbstractInterpolation):
    """The value of the last knot passed: `v_i` for `t_i <= t < t_(i+1)`, continuous from the right at a knot.

    For switches, doses and other inputs that jump.
    """

    def slopes(self, ts: Any, values: Any) -> Any:
        """None."""
        del ts, values

    def between(self, h: Any, fraction: Any, is_end: Any, ends: tuple, slopes: Any) -> Any:
        """The left value; at the end of the table the right one."""
        del h, fraction, slopes
        left, right = ends
        return jnp.where(is_end, right, left)


class PiecewiseLinear(AbstractInterpolation):
    """Straight lines between the knots; error `h^2 max|v''| / 8`.

    The default: it never overshoots, and its kinks are stepped on.
    """

    def slopes(self, ts: Any, values: Any) -> Any:
        """None."""
        del ts, values

    def between(self, h: Any, fraction: Any, is_end: Any, ends: tuple, slopes: Any) -> Any:
        """On the chord."""
        del h, is_end, slopes
        left, right = ends
        return left + fraction.astype(left.real.dtype) * (right - left)


class CubicSpline(AbstractInterpolation):
    """The twice continuously differentiable cubic spline; error `O(h^4)` for smooth data.

    It overshoots at jumps and in noisy data: take `Pchip` or `PiecewiseLinear` there.

    Parameters
    ----------
    natural
        Whether the second derivative is zero at both ends, which costs accuracy there (`O(h^2)`). By default the third
        derivative is continuous at the second and the last but one knot ("not-a-knot").

    References
    ----------
    de Boor, A Practical Guide to Splines (2001), chapter IV.
    """

    natural: bool = eqx.field(default=False, static=True)

    def slopes(self, ts: Any, values: Any) -> Any:
        """The slopes that make the second derivative continuous: one tridiagonal system, cost O(T)."""
        return _spline_slopes(ts, values, self.natural)

    def between(self, h: Any, fraction: Any, is_end: Any, ends: tuple, slopes: Any) -> Any:
        """The cubic through values and slopes."""
        del is_end
        return _hermite(h, fraction, ends, slopes)


class Pchip(AbstractInterpolation):
    """Shape-preserving cubic Hermite interpolation: monotone where the data are, no overshoot; real values only.

    Once continuously differentiable; error `O(h^4)` for smooth monotone data, `O(h^2)` near extrema.

    References
    ----------
    Fritsch & Butland, A method for constructing local monotone piecewise cubic interpolants, SIAM J. Sci. Stat. Comput.
    5 (1984) 300-304.
    """

    def slopes(self, ts: Any, values: Any) -> Any:
        """Weighted harmonic means of the neighbouring chords' slopes, zero at extrema; cost O(T)."""
        return _monotone_slopes(ts, values)

    def between(self, h: Any, fraction: Any, is_end: Any, ends: tuple, slopes: Any) -> Any:
        """The cubic through values and slopes."""
        del is_end
        return _hermite(h, fraction, ends, slopes)


def _hermite(h, fraction, ends, slopes):
    (y0, y1), (f0, f1) = ends, slopes
    return cubic_hermite(h, (y0,), (y1,), (f0,), (f1,), fraction)[0]


def _chords(ts, values):
    """Lengths of the intervals, shaped to multiply values, and slopes of the chords."""
    h = jnp.diff(ts).astype(values.real.dtype)
    h = h.reshape(h.shape + (1,) * (values.ndim - 1))
    return h, jnp.diff(values, axis=0) / h


@functools.partial(jax.jit, static_argnums=2)
def _spline_slopes(ts, values, natural):
    h, chord = _chords(ts, values)
    if ts.shape[0] == 2:
        return jnp.concatenate([chord, chord])
    if ts.shape[0] == 3 and not natural:
        middle = (h[1:] * chord[:1] + h[:1] * chord[1:]) / (h[:1] + h[1:])
        return jnp.concatenate([2 * chord[:1] - middle, middle, 2 * chord[1:] - middle])
    first, last = _ends(h, chord, natural), _ends(h[::-1], chord[::-1], natural)
    join = lambda start, inner, end: jnp.concatenate([start[None], inner, end[None]])
    lower = join(jnp.zeros_like(h[0]), h[1:], last[1])
    diagonal = join(first[0], 2 * (h[:-1] + h[1:]), last[0])
    upper = join(first[1], h[:-1], jnp.zeros_like(h[0]))
    right = join(first[2], 3 * (h[1:] * chord[:-1] + h[:-1] * chord[1:]), last[2])
    return _solve_tridiagonal(lower, diagonal, upper, right)


def _ends(h, chord, natural):
    """Diagonal, neighbour and right-hand side of the first equation."""
    if natural:
        return 2 * h[0] / h[0], h[0] / h[0], 3 * chord[0]
    both = h[0] + h[1]
    right = ((h[0] + 2 * both) * h[1] * chord[0] + h[0] ** 2 * chord[1]) / both
    return h[1], both, right


def _solve_tridiagonal(lower, diagonal, upper, right):
    """Gaussian elimination without pivoting, which spline matrices do not need."""

    def eliminate(carry, row):
        above, reduced = carry
        a, b, c, d = row
        pivot = b - a * above
        carry = (c / pivot, (d - a * reduced) / pivot)
        return carry, carry

    def substitute(after, row):
        above, reduced = row
        x = reduced - above * after
        return x, x

    rows = (lower, diagonal, upper, right)
    start = vary_like((jnp.zeros_like(upper[0]), jnp.zeros_like(right[0])), rows)
    _, reduced = lax.scan(eliminate, start, rows)
    return lax.scan(substitute, vary_like(jnp.zeros_like(right[0]), rows), reduced, reverse=True)[1]


@jax.jit
def _monotone_slopes(ts, values):
    h, chord = _chords(ts, values)
    if ts.shape[0] == 2:
        return jnp.concatenate([chord, chord])
    before, after = chord[:-1], chord[1:]
    same_sign = before * after > 0
    # Divisors are made safe first: a derivative would carry an infinity through the select.
    safe = lambda slope: jnp.where(same_sign, slope, 1.0)
    weights = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    mean = (weights[0] + weights[1]) / (weights[0] / safe(before) + weights[1] / safe(after))
    inner = jnp.where(same_sign, mean, 0.0)
    first = _monotone_end(h[0], h[1], chord[0], chord[1])
    last = _monotone_end(h[-1], h[-2], chord[-1], chord[-2])
    return jnp.concatenate([first[None], inner, last[None]])


def _monotone_end(h0, h1, chord0, chord1):
    """The parabola's slope at the end, limited so as to stay monotone."""
    slope = ((2 * h0 + h1) * chord0 - h0 * chord1) / (h0 + h1)
    limited = jnp.where((chord0 * chord1 < 0) & (jnp.abs(slope) > 3 * jnp.abs(chord0)), 3 * chord0, slope)
    return jnp.where(slope * chord0 > 0, limited, 0.0)
