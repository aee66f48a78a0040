"""Whether a method is A-, L- or A(alpha)-stable, and how far it reaches on the real and the imaginary axis."""

from typing import Any, NamedTuple

import numpy as np

from .sampling import (
    CHUNK,
    as_stability_function,
    has_pole_on_the_left,
    modulus_at_infinity,
    name_of,
    precision,
    rounding,
    sample,
)

NEAREST, FARTHEST = 1e-3, 1e8
"""Distances from the origin between which a ray is looked at (up to the inverse of the precision, in float32)."""

RAYS = (31, 8, 8, 8, 8)
"""Rays between which the angle is looked for: 3 degrees apart at first, 0.001 at last."""


class StabilityReport(NamedTuple):
    """What a stability function says about a method; made by `stability_report`."""

    name: str
    """The method."""
    is_a_stable: bool
    """Whether `|R(z)| <= 1` in the whole left half-plane."""
    is_l_stable: bool
    """Whether it is A-stable and `R(z) -> 0` for `z -> infinity`: fast modes are gone after one step."""
    angle: float
    """The largest alpha, in degrees, with `|R(z)| <= 1` for `|arg(-z)| <= alpha`; 90 if A-stable, 0 if none."""
    at_infinity: float
    """`|R|` at infinity, the largest over the left half-plane: by this factor the fastest modes are damped."""
    real_interval: float
    """The largest b with `|R(x)| <= 1` for x in `[-b, 0]`; infinite for methods for stiff problems."""
    imaginary_interval: float
    """The largest b with `|R(iy)| <= 1` for y in `[0, b]`; 0 if waves are amplified however small the step."""

    def __str__(self) -> str:
        kind = "L-stable" if self.is_l_stable else "A-stable" if self.is_a_stable else f"A({self.angle:.2f} deg)-stable"
        kind = kind if self.angle > 0 else "not A(alpha)-stable"
        return (
            f"{self.name}: {kind}, |R(inf)| = {self.at_infinity:.3g}, real interval {self.real_interval:.6g}, "
            f"imaginary interval {self.imaginary_interval:.6g}"
        )


def stability_report(method: Any) -> StabilityReport:
    """Everything about the linear stability of a method at once.

    Parameters
    ----------
    method
        A method that `stability_function` takes, a stability function (`sj.multistep_stability(alpha, beta)`), or any
        function `R(z)` of complex arrays that is real on the real axis.

    Returns
    -------
    StabilityReport
        A-stability, L-stability, the angle of A(alpha)-stability, `|R|` at infinity, real and imaginary interval.

    Raises
    ------
    TypeError, ValueError
        As `stability_function`.

    Notes
    -----
    Numerical, on the host: one compilation and some 100,000 values of R, in one to four seconds. A-stability rests on
    the maximum principle: `|R| <= 1` on the imaginary axis (4096 points from 1e-3 to 1e8 in equal ratios, 0.6 per cent
    apart) and no pole to the left of it (by Fourier coefficients on the axis). `|R| <= 1` is taken to hold up to 1e4
    times the machine precision. A violation that is smaller, or confined between two points, goes unnoticed. Intervals
    are those to the first violation, to nine digits in float64; the angle is right to about 0.01 degrees. Work in
    float64: in float32 the tolerance is 1e-3, which hides the weak damping of high orders on the imaginary axis.

    References
    ----------
    Hairer & Wanner, Solving Ordinary Differential Equations II (1996), IV.3 (definitions 3.3 and 3.7), V.2.
    """
    function = as_stability_function(method)
    a_stable = is_a_stable(function)
    at_infinity = modulus_at_infinity(function)
    return StabilityReport(
        name_of(function),
        a_stable,
        a_stable and at_infinity <= _negligible(),
        90.0 if a_stable else _angle(function),
        at_infinity,
        _first_exit(function, -1.0),
        _first_exit(function, 1j),
    )


def is_a_stable(method: Any) -> bool:
    """Whether `|R(z)| <= 1` in the whole left half-plane: no decaying mode limits the step.

    Parameters
    ----------
    method
        As in `stability_report`, where the resolution is stated.
    """
    function = as_stability_function(method)
    on_axis = np.abs(sample(function, 1j * _radii()))
    if not np.all(on_axis <= 1 + rounding()):
        return False
    return not has_pole_on_the_left(function)


def is_l_stable(method: Any) -> bool:
    """Whether the method is A-stable and `R(z) -> 0` for `z -> infinity`: modes far too fast for the step vanish.

    Read off at `|z| = eps^(-1/2)` as `|R| <= eps^(1/4)` (from the characteristic polynomial for multistep methods).

    Parameters
    ----------
    method
        As in `stability_report`.
    """
    function = as_stability_function(method)
    return modulus_at_infinity(function) <= _negligible() and is_a_stable(function)


def _negligible() -> float:
    """`|R|` that counts as zero at infinity."""
    return precision() ** 0.25


def _radii() -> np.ndarray:
    return np.geomspace(NEAREST, min(FARTHEST, 1 / precision()), CHUNK)


def _first_exit(function: Any, direction: complex) -> float:
    """How far `|R| <= 1` holds on the ray from the origin in a direction."""
    radii = _radii()
    excess = np.abs(sample(function, direction * radii)) - 1
    # Near the origin |R| - 1 is rounding; what counts is its first value that is not.
    clear = np.flatnonzero(np.abs(excess) > rounding())
    if clear.size and excess[clear[0]] > 0:
        return 0.0
    outside = np.flatnonzero(excess > rounding())
    if not outside.size:
        return float("inf")
    low, high = radii[outside[0] - 1], radii[outside[0]]
    for _ in range(2):
        between = np.linspace(low, high, CHUNK)
        excess = np.abs(sample(function, direction * between)) - 1
        first = int(np.flatnonzero(excess > rounding())[0])
        low, high = between[max(first - 1, 0)], between[first]
    return float(low)


def _angle(function: Any) -> float:
    """The half-angle of the largest stable sector around the negative real axis, in degrees."""
    radii = _radii()[::4]

    def stable(degrees):
        z = -radii * np.exp(1j * np.deg2rad(degrees))[:, None]
        return np.all(np.abs(sample(function, z)) <= 1 + rounding(), axis=1)

    low, high = 0.0, 90.0
    for rays in RAYS:
        degrees = np.linspace(low, high, rays)
        fails = np.flatnonzero(~stable(degrees))
        if not fails.size:
            break
        if fails[0] == 0:
            return float(low)
        low, high = degrees[fails[0] - 1], degrees[fails[0]]
    return float(low)
