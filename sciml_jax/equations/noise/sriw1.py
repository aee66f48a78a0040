"""SRIW1, Roessler's method of strong order 1.5 for diagonal or scalar noise."""

from typing import ClassVar

from .sri import AbstractSRI, SRITableau


class SRIW1(AbstractSRI):
    """SRIW1: strong order 1.5 for diagonal or scalar noise, adaptive. Weak order 2 for one motion, 1.5 for several.

    Two evaluations of the drift and four of the diffusion in a step, all inside of it. Prefer it to `sj.SOSRI`, which
    is more stable at loose tolerances, where the drift is expensive or must not be evaluated outside of the step. The
    scheme is Ito's; Stratonovich problems are solved with their drift converted (`sj.SDEProblem`). For diagonal noise
    the order supposes that `g_i` depends on `y_i` only; otherwise the strong order is 1/2. The scheme is that of
    `AbstractSRI` (`equations/noise/sri.py`). Not for general noise: `sj.EulerMaruyama`, `sj.DRI1`.

    Adaptive steps stay on the path of the key when they are rejected. `rtol` and `atol` bound the error of each step,
    1e-3 and 1e-6 by default; the error of the solution follows as the power 2/3 to 1 of the tolerance.

    References
    ----------
    Roessler, SIAM J. Numer. Anal. 48 (2010) 922-952, table 6.1. Rackauckas & Nie, Discrete Contin. Dyn. Syst. B 22
    (2017) 2731-2761 (the error estimate).
    """

    tableau: ClassVar[SRITableau] = SRITableau(
        a0=((3 / 4,), (0.0, 0.0), (0.0, 0.0, 0.0)),
        b0=((3 / 2,), (0.0, 0.0), (0.0, 0.0, 0.0)),
        # The third stage of the drift is the first one: an evaluation less.
        a1=((1 / 4,), (1.0, 0.0), (1 / 4, 0.0, 0.0)),
        b1=((1 / 2,), (-1.0, 0.0), (-5.0, 3.0, 1 / 2)),
        alpha=(1 / 3, 2 / 3, 0.0, 0.0),
        beta1=(-1.0, 4 / 3, 2 / 3, 0.0),
        beta2=(-1.0, 4 / 3, -1 / 3, 0.0),
        beta3=(2.0, -4 / 3, -2 / 3, 0.0),
        beta4=(-2.0, 5 / 3, -2 / 3, 1.0),
    )
    evaluations_per_step: ClassVar[int] = 2
