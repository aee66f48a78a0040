"""SRA3, a method of strong order 1.5 for additive noise."""

from typing import ClassVar

from .sra import AbstractSRA, SRATableau


class SRA3(AbstractSRA):
    """SRA3: strong order 1.5, weak order 2, for additive noise, adaptive.

    Three evaluations of the drift, two of the diffusion in a step. Where the noise vanishes it is of order 3: for small
    noise on a smooth drift. For drift that is mildly stiff or loose tolerances `sj.SOSRA`, for stiff drift
    `sj.ImplicitEulerMaruyama`. The scheme is that of `AbstractSRA` (`equations/noise/sra.py`); both
    interpretations of the noise agree. `rtol` and `atol` bound the error of each step, 1e-3 and 1e-6 by default.

    References
    ----------
    Roessler, SIAM J. Numer. Anal. 48 (2010) 922-952, table 6.3.
    """

    tableau: ClassVar[SRATableau] = SRATableau(
        a0=((1.0,), (1 / 4, 1 / 4)),
        b0=((0.0,), (1.0, 1 / 2)),
        c0=(0.0, 1.0, 1 / 2),
        c1=(1.0, 0.0, 0.0),
        alpha=(1 / 6, 1 / 6, 2 / 3),
        beta1=(1.0, 0.0, 0.0),
        beta2=(-1.0, 1.0, 0.0),
    )
    evaluations_per_step: ClassVar[int] = 3
