"""The triple jump of order 4."""

from typing import ClassVar

from .leapfrog_composition import AbstractLeapfrogComposition

_OUTER = 1.0 / (2.0 - 2.0 ** (1.0 / 3.0))


class Yoshida4(AbstractLeapfrogComposition):
    """Yoshida's fourth-order composition of three leapfrog steps: symplectic, symmetric, fixed steps (give `dt0`).

    Three forces per step; dense output of order 4. Its steps of 1.35 h forwards and 1.70 h back make the error constant
    large: `Yoshida6` is more efficient below errors of about 1e-4, `VelocityVerlet` is sturdier above.

    References
    ----------
    Yoshida, Construction of higher order symplectic integrators, Phys. Lett. A 150 (1990) 262-268; Forest & Ruth,
    Fourth-order symplectic integration, Physica D 43 (1990) 105-117.
    """

    fractions: ClassVar[tuple[float, ...]] = (_OUTER, 1.0 - 2.0 * _OUTER, _OUTER)
    order: ClassVar[int] = 4
    evaluations_per_step: ClassVar[int] = 3
