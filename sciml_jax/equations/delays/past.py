"""What a vector field sees of the past: dense outputs of earlier steps, of the step itself, and the history function.

A lookup happens anywhere inside the user's function, under `vmap`, `cond` or `scan`, so it can report nothing. What is
not allowed becomes NaN, at which the step is rejected; `diagnosis.py` finds out why where nothing else helps.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

WINDOW = 4
"""Pieces that the lookups of one lag can reach in one step."""

NORMAL, UNDECLARED, FUTURE, NEVER = 0.0, 1.0, 2.0, -1.0
"""Which lookups give NaN: all that are not allowed, those of one kind, or none."""


class Piece(NamedTuple):
    """The dense output of one step."""

    ta: Any
    tb: Any
    dense: Any


class Window(NamedTuple):
    """What one lag can reach in one step; all numbers are floats."""

    pieces: Piece
    """`WINDOW` pieces, every leaf a tuple of so many scalars or an array with so many rows."""
    count: Any
    """How many of them are in use."""
    is_before: Any
    """One where the lag reaches back before t0."""
    is_own: Any
    """One where times behind the last piece are looked up in the step itself, which begins there."""
    cut_low: Any
    """One where there are reachable pieces in front of the window."""
    cut_high: Any
    """One where there are some behind it."""


class Context(NamedTuple):
    """Everything that lookups in one step need."""

    windows: tuple
    own: Piece
    """The step's own dense output as far as it is known: the last iteration's, or the last step's extended."""
    own_known: Any
    """Zero where nothing is known of it, and `anchor` is taken instead."""
    own_start: Any
    """Where the step begins."""
    anchor: tuple
    """The state there."""
    start: Any
    """The beginning of the integration."""
    mode: Any
    """Which lookups give NaN."""


class Past:
    """`past(s)` as the user's vector field gets it."""

    def __init__(self, known: Any, context: Context, t: Any, y: Any, lags: tuple, before: Any):
        self._known, self._context = known, context
        self._t, self._y, self._before = t, y, before
        self._lags = lags

    def __call__(self, s: Any, derivative: bool = False) -> Any:
        """The state (or its slope) at the time `s`."""
        known, context = self._known, self._context
        _check_lookup(known, s, derivative)
        s = jnp.asarray(s).astype(context.start.dtype)
        dtype = s.dtype
        # Which lookups are allowed is decided by value.
        still, t = lax.stop_gradient((s, jnp.asarray(self._t, dtype)))
        distances = [jnp.abs(still - (t - lax.stop_gradient(lag))) for lag in self._lags]
        nearest, which = distances[0], [jnp.array(True)]
        for distance in distances[1:]:
            closer = distance < nearest
            which = [flag & ~closer for flag in which] + [closer]
            nearest = jnp.minimum(nearest, distance)
        eps = jnp.finfo(dtype).eps
        scale = jnp.maximum(jnp.abs(t), jnp.abs(still))
        is_now = (jnp.abs(still - t) <= 8 * eps * scale) & (jnp.abs(still - t) <= nearest)
        undeclared = ~is_now & (nearest > jnp.sqrt(eps) * scale)
        future = still > t + 8 * eps * scale
        value, outside = self._looked_up(s, still, which, derivative)
        if not derivative:
            now = known.layout.split(self._y)
            value = tuple(jnp.where(is_now, a, b) for a, b in zip(now, value, strict=True))
        mode = context.mode
        bad = ((mode == NORMAL) | (mode == UNDECLARED)) & undeclared
        bad = bad | ((mode == NORMAL) | (mode == FUTURE)) & future
        bad = bad | (mode == NORMAL) & outside & ~is_now
        return known.layout.merge(tuple(jnp.where(bad, jnp.nan, leaf) for leaf in value))

    def _looked_up(self, s, still, which, derivative):
        known, context = self._known, self._context
        piece, is_before, uses_own, outside = _chosen(context, still, which)
        width = jnp.where(piece.tb == piece.ta, 1.0, piece.tb - piece.ta)
        inside = lambda s: known.method.interpolate(piece.dense, (s - piece.ta) / width)
        # The history function is asked for nothing behind the beginning.
        early = s - lax.stop_gradient(jnp.maximum(s - context.start, 0.0))
        before = lambda s: known.layout.split(self._before(s))
        anchor = context.anchor
        if derivative:
            one = jnp.ones_like(s)
            value, first = (jax.jvp(f, (x,), (one,))[1] for f, x in ((inside, s), (before, early)))
            anchor = tuple(jnp.zeros_like(leaf) for leaf in anchor)
        else:
            value, first = inside(s), before(early)
        unknown = uses_own & (context.own_known == 0)
        merged = []
        for a, b, c in zip(value, first, anchor, strict=True):
            merged.append(jnp.where(is_before, b.astype(a.dtype), jnp.where(unknown, c, a)))
        return tuple(merged), outside


def _chosen(context: Context, s: Any, which: list) -> tuple:
    """The piece in which a lag looks `s` up, and whether it is before the beginning, its own, or out of reach."""
    flags, leaves = [], []
    is_before = uses_own = outside = jnp.array(False)
    for window, is_this in zip(context.windows, which, strict=True):
        ta, tb = lax.stop_gradient((window.pieces.ta, window.pieces.tb))
        place, last, width = jnp.zeros((), jnp.int32), tb[0], tb[0] - ta[0]
        for w in range(WINDOW - 1):
            has_next = window.count > w + 1.5
            place = place + (has_next & (s > tb[w])).astype(jnp.int32)
            last = jnp.where(has_next, tb[w + 1], last)
            width = jnp.where(has_next, tb[w + 1] - ta[w + 1], width)
        before = is_this & (window.is_before > 0)
        own = is_this & (window.is_own > 0) & ((s > lax.stop_gradient(context.own_start)) | (window.count < 0.5))
        slack = 1e-3 * width
        beyond = (window.cut_high > 0) & (s > last + slack) | (window.cut_low > 0) & (s < ta[0] - slack)
        is_before, uses_own, outside = is_before | before, uses_own | own, outside | (is_this & ~before & beyond)
        flags += [is_this & (place == w) for w in range(WINDOW)]
        leaves.append(window.pieces)
    piece = jax.tree_util.tree_map(lambda *parts: _pick(flags, parts), *leaves, is_leaf=_is_rows)
    piece = jax.tree_util.tree_map(lambda a, b: jnp.where(uses_own, a, b), context.own, piece)
    return piece, is_before, uses_own, outside


def _is_rows(node: Any) -> bool:
    """Whether a node stands for the rows of one leaf."""
    return isinstance(node, Rows)


class Rows(tuple):
    """The rows of one leaf of a window as scalars."""

    __slots__ = ()


jax.tree_util.register_pytree_node(Rows, lambda rows: (tuple(rows), None), lambda _, rows: Rows(rows))


def _pick(flags: list, parts: tuple) -> Any:
    """The one row whose flag is set."""
    rows = [row for part in parts for row in part]
    if isinstance(parts[0], Rows):
        chosen = rows[0]
        for flag, row in zip(flags[1:], rows[1:], strict=True):
            chosen = jnp.where(flag, row, chosen)
        return chosen
    table = parts[0] if len(parts) == 1 else jnp.concatenate(parts)
    index = jnp.argmax(jnp.stack(flags)).astype(jnp.int32)
    return lax.dynamic_index_in_dim(table, index, keepdims=False)


def _check_lookup(known: Any, s: Any, derivative: bool) -> None:
    if known.num_lags == 0:
        msg = (
            "`past(s)` looks up a lag that must be declared; got `lags=()`. Pass every lag, for example "
            "`sj.DDEProblem(..., lags=(1.0,))` for `past(t - 1.0)`."
        )
        raise ValueError(msg)
    if jnp.shape(s) != ():
        msg = (
            f"`past(s)` takes one time; got an array of shape {jnp.shape(s)}. Map it, `jax.vmap(past)(times)`, or call "
            "it once for each."
        )
        raise ValueError(msg)
    if derivative and not known.neutral:
        msg = (
            "`past(s, derivative=True)` makes the equation neutral, whose breaking points are not smoothed; got "
            "`neutral=False`. Pass `sj.DDEProblem(..., neutral=True)`."
        )
        raise ValueError(msg)
