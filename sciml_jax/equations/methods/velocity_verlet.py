"""The velocity form of Verlet's method."""

from typing import ClassVar

from .leapfrog_composition import AbstractLeapfrogComposition


class VelocityVerlet(AbstractLeapfrogComposition):
    """Velocity Verlet (leapfrog, Störmer-Verlet): symplectic, symmetric, order 2, fixed steps (give `dt0`).

    Half a kick, a drift, half a kick, so positions and velocities belong to the same time. One force per step; dense
    output with an error of h^4. The workhorse of molecular dynamics: choose it where forces are rough or costly and
    statistics matter more than the trajectory. For accurate orbits `Yoshida6` or `KahanLi8` need fewer forces; where
    the step must adapt (close encounters) or the problem has friction, use `Tsit5` or a higher-order relative.

    References
    ----------
    Verlet, Computer "experiments" on classical fluids I, Phys. Rev. 159 (1967) 98-103; Swope, Andersen, Berens &
    Wilson, J. Chem. Phys. 76 (1982) 637-649 (velocity form).
    """

    fractions: ClassVar[tuple[float, ...]] = (1.0,)
    order: ClassVar[int] = 2
    evaluations_per_step: ClassVar[int] = 1
