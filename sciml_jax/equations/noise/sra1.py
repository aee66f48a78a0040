"""SRA1, a method of strong order 1.5 for additive noise."""

from typing import ClassVar

from .sra import AbstractSRA, SRATableau


class SRA1(AbstractSRA):
    """SRA1: strong order 1.5, weak order 2, for additive noise, adaptive.

    Two evaluations of the drift and of the diffusion in a step: the cheapest of its family. For drift that is mildly
    stiff or loose tolerances `sj.SOSRA`, for stiff drift `sj.SKenCarp`. The scheme is that of
    `AbstractSRA` (`equations/noise/sra.py`); both interpretations of the noise agree. `rtol` and
    `atol` bound the error of each step, 1e-3 and 1e-6 by default.

    References
    ----------
    Roessler, SIAM J. Numer. Anal. 48 (2010) 922-952, table 6.3.
    """

    tableau: ClassVar[SRATableau] = SRATableau(
        a0=((3 / 4,),),
        b0=((3 / 2,),),
        c0=(0.0, 3 / 4),
        c1=(1.0, 0.0),
        alpha=(1 / 3, 2 / 3),
        beta1=(1.0, 0.0),
        beta2=(-1.0, 1.0),
    )
    evaluations_per_step: ClassVar[int] = 2
