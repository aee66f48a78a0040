"""Where inside a step events lie: signs at a few points of the dense output, then bracketed roots."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...numerics.loops import while_loop

INTERVALS = 4
"""Parts of a step at whose ends the conditions are evaluated."""

DIPS = 3
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
    size, dtype = len(known.searched), resolution.dtype
    zeros, false = jnp.zeros(size, dtype), jnp.zeros(size, bool)
    none = (zeros, zeros, zeros)
    scan = _Scan(jnp.int32(0), none, sides.astype(dtype), ~false, false, none, none, false, none, none, jnp.array(True))
    scan = while_loop(
        lambda scan: scan.index <= INTERVALS,
        lambda scan: _look_at(value, known, scan, sides, is_new, is_start, resolution),
        scan, sides, is_new, resolution, value(jnp.ones((), dtype)),
    )  # fmt: skip
    crosses, low, high = _with_excursions(value, scan, jnp.asarray(known.direction, dtype))
    place = jnp.where(crosses, _locate(value, crosses, low, high, resolution), jnp.inf)
    (_, v, slope), side = scan.last, scan.side
    approaching = (side * slope < 0) & is_allowed(known, side)
    distance = jnp.where(approaching, -v / jnp.where(approaching, slope, 1.0), jnp.inf)
    return Found(crosses, place, side, ~crosses & (distance <= resolution), distance, scan.is_finite)


class _Scan(NamedTuple):
    """The conditions at a few points of a step, one after the other; a point is `(fraction, value, slope)`."""

    index: Any
    last: tuple
    side: Any
    searching: Any
    """Whether no crossing was found yet."""
    crosses: Any
    low: tuple
    """The points on both sides of the first crossing."""
    high: tuple
    dips: Any
    """Whether an excursion over zero may lie between two points, in front of the crossing."""
    left: tuple
    """Those points."""
    right: tuple
    is_finite: Any


def _look_at(value, known, scan, sides, is_new, is_start, resolution):
    """One point more."""
    x = scan.index.astype(resolution.dtype) / INTERVALS
    v, s = _once(jax.jvp(value, (x,), (jnp.ones_like(x),)))
    point, begins = (jnp.broadcast_to(x, v.shape), v, s), scan.index == 0
    side = jnp.where(begins & is_new, first_side(v, s, known, sides, is_start, resolution), scan.side)
    turned = (side != 0) & (side * v <= 0) & ~begins
    first = turned & is_allowed(known, side) & scan.searching
    # Towards zero at the one end and away from it at the other: an excursion may lie between.
    bowl = scan.searching & ~turned & ~scan.dips & ~begins & (side * scan.last[2] < 0) & (side * s > 0)
    side, turned, first, bowl = _once((side, turned, first, bowl))
    pick = lambda flag, new, old: tuple(jnp.where(flag, n, o) for n, o in zip(new, old, strict=True))
    now = jnp.sign(v)
    return _Scan(
        index=scan.index + 1,
        last=point,
        side=jnp.where(begins, side, jnp.where(now == 0, jnp.where(turned, -side, side), now)),
        searching=scan.searching & ~first,
        crosses=scan.crosses | first,
        low=pick(first, scan.last, scan.low),
        high=pick(first, point, scan.high),
        dips=scan.dips | bowl,
        left=pick(bowl, scan.last, scan.left),
        right=pick(bowl, point, scan.right),
        is_finite=scan.is_finite & jnp.all(jnp.isfinite(v)),
    )


def is_allowed(known, side):
    """Whether a crossing away from this side counts."""
    direction = jnp.asarray(known.direction, side.dtype)
    return (direction == 0) | (direction == -side)


def first_side(v, s, known, sides, is_start, resolution):
    """The sign that each condition has behind the beginning of an arc; zero where only the next point can tell."""
    on_root = jnp.abs(v) <= WINDOW * resolution * jnp.abs(s)
    # A Boolean has no slope: its value says all, but before the first step it counts as not having happened yet.
    happened = np.where(known.direction >= 0, 1.0, -1.0)
    sign = jnp.where(known.is_boolean & is_start, -happened, jnp.sign(v))
    # One that has just happened has, even if the state at the root, known to a tolerance, does not show it yet.
    sign = jnp.where(known.is_boolean & (sides != 0), sides, sign)
    return jnp.where(on_root & ~known.is_boolean, jnp.sign(s), sign).astype(v.dtype)


def _with_excursions(value, scan, direction):
    """Brackets of the first crossings, those that begin and end between two neighbouring points included."""
    side = jnp.sign(scan.left[1])

    def going(carry):
        count, active, *_ = carry
        return (count < DIPS) & jnp.any(active)

    def body(carry):
        count, active, left, right, crosses, low, high = carry
        x = _once(_extremum(left, right))
        middle = (x, *_each(value, x))
        through = _once(active & (side * middle[1] <= 0))
        # The way over zero, or where that is not asked for the way back.
        over = (direction == 0) | (direction == -side)
        pick = lambda flag, new, old: tuple(jnp.where(flag, n, o) for n, o in zip(new, old, strict=True))
        low = pick(through, pick(over, left, middle), low)
        high = pick(through, pick(over, middle, right), high)
        falling = side * middle[2] < 0
        ends = pick(falling, middle, left), pick(~falling, middle, right)
        return count + 1, active & ~through, *ends, crosses | through, low, high

    carry = (jnp.int32(0), scan.dips, scan.left, scan.right, scan.crosses, scan.low, scan.high)
    *_, crosses, low, high = while_loop(going, body, carry, scan)
    return crosses, low, high


def _each(value, x):
    """Every condition and its slope at its own fraction."""
    if x.shape[0] == 1:
        return _once(jax.jvp(lambda x: value(x[0]), (x,), (jnp.ones_like(x),)))
    values, slopes = jax.vmap(lambda x: jax.jvp(value, (x,), (jnp.ones_like(x),)))(x)
    return _once((jnp.diagonal(values), jnp.diagonal(slopes)))


def _once(values):
    """The same values, which XLA would otherwise compute again for each of their many readers."""
    return lax.optimization_barrier(values)


def _extremum(left, right):
    """Where the slope would vanish between two points if it were linear."""
    (a, _, da), (b, _, db) = left, right
    x = a + (b - a) * da / jnp.where(da == db, 1.0, da - db)
    return jnp.where((x > a) & (x < b), x, 0.5 * (a + b))


def _locate(value, open_, low, high, resolution):
    """The ends behind the roots of brackets narrowed to the resolution, by the method of Anderson and Bjorck.

    Secants through the ends of the bracket, where an end that stays has its value reduced; every third point in the
    middle, for conditions that are far from linear (a Boolean's are all in the middle). N. Anderson, A. Bjorck, A new
    high order method of regula falsi type for computing a root of an equation, BIT 13 (1973) 253-264.
    """
    condition_at = lambda x: value(x[0]) if x.shape[0] == 1 else jnp.diagonal(jax.vmap(value)(x))
    behind = jnp.sign(high[1])

    def going(carry):
        return (carry[0] < 100) & jnp.any(carry[1])

    def body(carry):
        count, active, a, b, fa, fb, last = carry
        rise, least = fb - fa, 0.25 * resolution
        secant = b - fb * (b - a) / jnp.where(rise == 0, 1.0, rise)
        x = jnp.where((count % 3 == 2) | (fa * fb > 0), 0.5 * (a + b), jnp.clip(secant, a + least, b - least))
        x = _once(jnp.where(active, x, b))
        fx = _once(condition_at(x))
        is_behind = fx * behind >= 0
        kept = jnp.where(is_behind, fb, fa)
        factor = 1 - fx / jnp.where(kept == 0, 1.0, kept)
        again = (last == jnp.where(is_behind, 1, -1)) & (kept != 0)
        factor = _once(jnp.where(again, jnp.where(factor > 0, factor, 0.5), 1.0))
        fa, fb = jnp.where(is_behind, factor * fa, fx), jnp.where(is_behind, fx, factor * fb)
        a, b = jnp.where(is_behind, a, x), jnp.where(is_behind, x, b)
        last = jnp.where(is_behind, 1, -1)
        return count + 1, active & (b - a > resolution), a, b, fa, fb, last

    carry = (jnp.int32(0), open_, low[0], high[0], low[1], high[1], jnp.zeros_like(open_, int))
    return while_loop(going, body, carry, resolution)[3]
