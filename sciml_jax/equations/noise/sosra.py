"""SOSRA, a method of strong order 1.5 for additive noise with a large region of stability."""

from typing import ClassVar

from .sra import AbstractSRA, SRATableau


class SOSRA(AbstractSRA):
    """SOSRA: strong order 1.5, weak order 2, for additive noise, adaptive; optimised for stability.

    The default for additive noise. Three evaluations of the drift and of the diffusion in a step, all inside of it. For
    stiff drift `sj.SKenCarp`. The scheme is that of `AbstractSRA` (`equations/noise/sra.py`); both
    interpretations of the noise agree. `rtol` and `atol` bound the error of each step, 1e-3 and 1e-6 by default.

    References
    ----------
    Rackauckas & Nie, Stability-optimized high order methods and stiffness detection for pathwise stiff stochastic
    differential equations, IEEE HPEC (2020).
    """

    tableau: ClassVar[SRATableau] = SRATableau(
        a0=((0.6923962376159507,), (-3.1609142252828395, 4.1609142252828395)),
        b0=((1.3371632704399763,), (1.442371048468624, 1.8632741501139225)),
        c0=(0.0, 0.6923962376159507, 1.0),
        c1=(0.0, 0.041248171110700504, 1.0),
        alpha=(0.2889874966892885, 0.6859880440839937, 0.025024459226717772),
        beta1=(-16.792534242221663, 17.514995785380226, 0.27753845684143835),
        beta2=(0.4237535769069274, 0.6010381474428539, -1.0247917243497813),
    )
    evaluations_per_step: ClassVar[int] = 3
