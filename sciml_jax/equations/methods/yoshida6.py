"""Yoshida's composition of order 6."""

from typing import ClassVar

from .leapfrog_composition import AbstractLeapfrogComposition

_OUTER = (0.78451361047755726382, 0.23557321335935813368, -1.17767998417887100695)


class Yoshida6(AbstractLeapfrogComposition):
    """Yoshida's sixth-order composition of seven leapfrog steps: symplectic, symmetric, fixed steps (give `dt0`).

    His solution A. Seven forces per step; dense output of order 6, for two more forces in a step in which something is
    saved. A good default for smooth conservative problems over long times, to errors of about 1e-8; below, `KahanLi8`.

    References
    ----------
    Yoshida, Construction of higher order symplectic integrators, Phys. Lett. A 150 (1990) 262-268; digits: Hairer,
    Lubich & Wanner, Geometric Numerical Integration (2006), V.3.2.
    """

    fractions: ClassVar[tuple[float, ...]] = (*_OUTER, 1.0 - 2.0 * sum(_OUTER), *_OUTER[::-1])
    order: ClassVar[int] = 6
    evaluations_per_step: ClassVar[int] = 7
    refinements: ClassVar[tuple[int, ...]] = (4,)
