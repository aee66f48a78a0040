"""Kahan and Li's composition of order 8."""

from typing import ClassVar

from .leapfrog_composition import AbstractLeapfrogComposition

_OUTER = (
    0.13020248308889008087881763,
    0.56116298177510838456196441,
    -0.38947496264484728640807860,
    0.15884190655515560089621075,
    -0.39590389413323757733623154,
    0.18453964097831570709183254,
    0.25837438768632204729397911,
    0.29501172360931029887096624,
)


class KahanLi8(AbstractLeapfrogComposition):
    """Kahan & Li's eighth-order composition of 17 leapfrog steps: symplectic, symmetric, fixed steps (give `dt0`).

    17 forces per step; dense output of order 8, for six more forces in a step in which something is saved. For
    trajectories that must stay accurate over long times: smooth forces, float64, errors below about 1e-8. For the
    energy alone, or at loose tolerances, `VelocityVerlet` and `Yoshida6` are cheaper.

    References
    ----------
    Kahan & Li, Composition constants for raising the orders of unconventional schemes for ordinary differential
    equations, Math. Comp. 66 (1997) 1089-1099; digits: Hairer, Lubich & Wanner, Geometric Numerical Integration (2006),
    V.3.2.
    """

    fractions: ClassVar[tuple[float, ...]] = (*_OUTER, 1.0 - 2.0 * sum(_OUTER), *_OUTER[::-1])
    order: ClassVar[int] = 8
    evaluations_per_step: ClassVar[int] = 17
    refinements: ClassVar[tuple[int, ...]] = (4, 6)
