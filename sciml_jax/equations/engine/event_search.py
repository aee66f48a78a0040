"""Where inside a step events lie: signs at a few points of the dense output, then bracketed roots."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...numerics.loops import while_loop

INTERVALS = 4
"""Parts of a step at whose ends the conditions are evaluated."""

DIPS = 2
"""Evaluations spent on one excursion over zero between two points."""

WINDOW = 4.0
"""A condition within so many resolutions of zero, by its slope, is on its root where a new arc begins."""


class Found(NamedTuple):
    """What a search says of every searched condition, shapes (crossings,)."""

    crosses: Any
    """Whether it crosses zero in an allowed direction."""
    place: Any
    """Where, as a fraction of the step (just behind the root); infinite without a crossing."""
    side: Any
    """Its sign at the end of the step."""
    is_near: Any
    """Whether it ends the step in front of a root, but no further than the resolution."""
    ahead: Any
    """The fraction by which the root lies beyond the end, by Newton's method; infinite where it moves away."""
    is_finite: Any
    """Whether no condition was NaN or infinite."""


def search(value: Any, known: Any, sides: Any, is_new: Any, is_start: Any, resolution: Any) -> Found:
    """Look for the first crossing of every condition.

    Parameters
    ----------
    value
        `fraction -> conditions`, shape (crossings,), on the step's dense output.
    known
        The `EventFunctions`.
    sides
        Signs at the beginning of the step, from the step before; where a new arc begins, those of Boolean conditions
        that have just happened, and zeros.
    is_new
        Whether a new arc begins with this step, and the signs are to be found out.
    is_start
        Whether it is the first step of all: a Boolean condition then counts as not yet true.
    resolution
        Of the fraction, shape (crossings,).
    """
    nodes = jnp.linspace(0.0, 1.0, INTERVALS + 1, dtype=resolution.dtype)
    values, slopes = jax.vmap(lambda x: jax.jvp(value, (x,), (jnp.ones_like(x),)))(nodes)
    side = jnp.where(is_new, _first_side(values, slopes, known, sides, is_start, resolution), sides)
    direction = jnp.asarray(known.direction, side.dtype)
    open_, low, high = jnp.zeros_like(side, bool), jnp.zeros_like(side), jnp.ones_like(side)
    searching, dip, dip_at, dip_side = jnp.ones_like(open_), open_, jnp.zeros_like(side), side
    for j in range(1, INTERVALS + 1):
        turned = (side != 0) & (side * values[j] <= 0)
        allowed = (direction == 0) | (direction == -side)
        first = turned & allowed & searching
        open_, low, high = open_ | first, jnp.where(first, nodes[j - 1], low), jnp.where(first, nodes[j], high)
        # Towards zero at the one end and away from it at the other: an excursion may lie between.
        bowl = searching & ~turned & ~dip & (side * slopes[j - 1] < 0) & (side * slopes[j] > 0)
        dip, dip_at, dip_side = dip | bowl, jnp.where(bowl, nodes[j - 1], dip_at), jnp.where(bowl, side, dip_side)
        searching = searching & ~first
        now = jnp.sign(values[j])
        side = jnp.where(now == 0, jnp.where(turned, -side, side), now)
    open_, low, high = _with_excursions(value, (values, slopes), dip, dip_at, dip_side, (open_, low, high), direction)
    place = _locate(value, open_, low, high, resolution)
    approaching = (side * slopes[-1] < 0) & ((direction == 0) | (direction == -side))
    distance = jnp.where(approaching, -values[-1] / jnp.where(approaching, slopes[-1], 1.0), jnp.inf)
    is_near = ~open_ & (distance <= resolution)
    place = jnp.where(open_, place, jnp.inf)
    return Found(open_, place, side, is_near, distance, jnp.all(jnp.isfinite(values)))


def _first_side(values, slopes, known, sides, is_start, resolution):
    """The sign that each condition has behind the beginning of an arc."""
    on_root = jnp.abs(values[0]) <= WINDOW * resolution * jnp.abs(slopes[0])
    moving = jnp.where(slopes[0] == 0, jnp.sign(values[1]), jnp.sign(slopes[0]))
    # A Boolean has no slope: its value says all, but before the first step it counts as not having happened yet.
    happened = np.where(known.direction >= 0, 1.0, -1.0)
    sign = jnp.where(known.is_boolean & is_start, -happened, jnp.sign(values[0]))
    # One that has just happened has, even if the state at the root, known to a tolerance, does not show it yet.
    sign = jnp.where(known.is_boolean & (sides != 0), sides, sign)
    return jnp.where(on_root & ~known.is_boolean, moving, sign).astype(values.dtype)


def _with_excursions(value, nodal, dip, start, side, bracket, direction):
    """Brackets of crossings that begin and end between two neighbouring points, where they come first."""
    open_, low, high = bracket
    values, slopes = nodal
    comes_first = dip & (~open_ | (start < low))
    index = jnp.round(start * INTERVALS).astype(jnp.int32)
    each = jnp.arange(side.shape[0])
    at = lambda table, k: table[jnp.minimum(k, INTERVALS), each]
    left = (start, at(values, index), at(slopes, index))
    right = (start + 1.0 / INTERVALS, at(values, index + 1), at(slopes, index + 1))

    def going(carry):
        count, active, *_ = carry
        return (count < DIPS) & jnp.any(active)

    def body(carry):
        count, active, left, right, opened, a, b = carry
        x = _extremum(left, right)
        v, s = _each(value, x)
        through = active & (side * v <= 0)
        # The way over zero, or where that is not asked for the way back.
        over = (direction == 0) | (direction == -side)
        a = jnp.where(through, jnp.where(over, left[0], x), a)
        b = jnp.where(through, jnp.where(over, x, right[0]), b)
        falling = side * s < 0
        pick = lambda flag, old: tuple(jnp.where(flag, n, o) for n, o in zip((x, v, s), old, strict=True))
        ends = pick(falling, left), pick(~falling, right)
        return count + 1, active & ~through, *ends, opened | through, a, b

    carry = (jnp.int32(0), comes_first, left, right, jnp.zeros_like(dip), low, high)
    *_, opened, a, b = while_loop(going, body, carry, nodal, side)
    return open_ | opened, jnp.where(opened, a, low), jnp.where(opened, b, high)


def _each(value, x):
    """Every condition and its slope at its own fraction."""
    values, slopes = jax.vmap(lambda x: jax.jvp(value, (x,), (jnp.ones_like(x),)))(x)
    return jnp.diagonal(values), jnp.diagonal(slopes)


def _extremum(left, right):
    """Where the cubic through values and slopes at both ends has its extremum between them."""
    (a, va, sa), (b, vb, sb) = left, right
    width = b - a
    da, db, rise = width * sa, width * sb, vb - va
    # The derivative of the cubic is A x^2 + B x + C.
    A, B, C = 3 * (da + db - 2 * rise), 6 * rise - 4 * da - 2 * db, da
    root = jnp.sqrt(jnp.maximum(B * B - 4 * A * C, 0.0))
    q = -0.5 * (B + jnp.where(B >= 0, root, -root))
    one, two = q / jnp.where(A == 0, 1.0, A), C / jnp.where(q == 0, 1.0, q)
    # It has one root between the ends, where its signs differ.
    x = jnp.where((A != 0) & (one > 0) & (one < 1), one, two)
    x = jnp.where((x > 0) & (x < 1), x, 0.5)
    return a + width * x


def _locate(value, open_, low, high, resolution):
    """The ends behind the roots of brackets narrowed to the resolution, by Chandrupatla's method."""

    def condition_at(x):
        return jnp.diagonal(jax.vmap(value)(x))

    def going(carry):
        return jnp.any(carry[0])

    def body(carry):
        active, count, a, b, c, fa, fb, fc, t = carry
        # b is the newest point, a lies on the other side of the root, c is the point before.
        x = a + t * (b - a)
        fx = condition_at(x)
        same = jnp.sign(fx) == jnp.sign(fa)
        c, fc = jnp.where(same, a, b), jnp.where(same, fa, fb)
        b, fb = jnp.where(same, b, a), jnp.where(same, fb, fa)
        a, fa = x, fx
        width = jnp.abs(b - a)
        ratio = lambda n, d: n / jnp.where(d == 0, 1.0, d)
        xi, phi = ratio(a - b, c - b), ratio(fa - fb, fc - fb)
        quadratic = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
        t = ratio(fa, fb - fa) * ratio(fc, fb - fc) + ratio(c - a, b - a) * ratio(fa, fc - fa) * ratio(fb, fc - fb)
        t = jnp.where(quadratic, t, 0.5)
        least = 0.25 * ratio(resolution, width)
        t = jnp.clip(t, least, 1 - least)
        return active & (width > resolution) & (count < 100), count + 1, a, b, c, fa, fb, fc, t

    fl, fh = condition_at(low), condition_at(high)
    carry = (open_, jnp.int32(0), high, low, low, fh, fl, fl, jnp.full_like(low, 0.5))

    def frozen_body(carry):
        new = body(carry)
        keep = lambda n, o: jnp.where(carry[0], n, o)
        return (new[0], new[1], *(keep(n, o) for n, o in zip(new[2:], carry[2:], strict=True)))

    carry = while_loop(going, frozen_body, carry, open_, low, high, resolution)
    return jnp.maximum(carry[2], carry[3])
