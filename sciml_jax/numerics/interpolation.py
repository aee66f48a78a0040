"""Interpolation over one step, on tuples of arrays."""

from typing import Any

from .combine import linear_combination


def cubic_hermite(h: Any, y0: tuple, y1: tuple, f0: tuple, f1: tuple, fraction: Any) -> tuple:
    """The cubic through `(y0, f0)` and `(y1, f1)` at a fraction in [0, 1] of a step `h`; error O(h^4).

    Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I (1993), II.6.
    """
    s = fraction
    r = 1 - s
    rise = tuple(b - a for a, b in zip(y0, y1, strict=True))
    blend = linear_combination(None, h, (1.0,), [_mix(f0, -r, f1, s)])
    weight = s * r
    # y0 + s (y1 - y0) - s (1 - s) [(1 - 2 s)(y1 - y0) - (1 - s) h f0 + s h f1]
    return tuple(
        a + _cast(s, a) * d - _cast(weight, a) * (_cast(1 - 2 * s, a) * d + e)
        for a, d, e in zip(y0, rise, blend, strict=True)
    )


def _mix(f0: tuple, w0: Any, f1: tuple, w1: Any) -> tuple:
    return tuple(_cast(w0, a) * a + _cast(w1, b) * b for a, b in zip(f0, f1, strict=True))


def _cast(weight: Any, like: Any) -> Any:
    """A real weight in the state's real dtype, so that a float64 time does not promote a float32 state."""
    return weight if not hasattr(weight, "astype") else weight.astype(like.real.dtype)
