"""SOSRI, a method of strong order 1.5 for diagonal or scalar noise with a large region of stability."""

from typing import ClassVar

from .sri import AbstractSRI, SRITableau


class SOSRI(AbstractSRI):
    """SOSRI: strong order 1.5 for diagonal or scalar noise, adaptive; optimised for stability.

    The default for such problems; its weak order is 1.5 (measured; `sj.SRIW1`: 2 for one motion). Four evaluations of
    the drift and of the diffusion in a step, whose nodes were free for the optimisation: some lie outside of the step,
    from 0.04 h before it to 2.75 h behind it. Where drift or diffusion are not defined there (tabulated data, a switch
    in time), prefer `sj.SRIW1`. With `tstops` at discontinuities, too: here steps next to them see both sides.

    The scheme is Ito's; Stratonovich problems are solved with their drift converted (`sj.SDEProblem`). For diagonal
    noise the order supposes that `g_i` depends on `y_i` only; otherwise the strong order is 1/2. The scheme is that of
    `AbstractSRI` (`equations/noise/sri.py`). Not for general noise: `sj.EulerMaruyama`, `sj.DRI1`.

    Adaptive steps stay on the path of the key when they are rejected. `rtol` and `atol` bound the error of each step,
    1e-3 and 1e-6 by default; the error of the solution follows as the power 2/3 to 1 of the tolerance.

    References
    ----------
    Rackauckas & Nie, Stability-optimized high order methods and stiffness detection for pathwise stiff stochastic
    differential equations, IEEE HPEC (2020).
    """

    tableau: ClassVar[SRITableau] = SRITableau(
        a0=(
            (-0.04199224421316468,),
            (2.842612915017106, -2.0527723684000727),
            (4.338237071435815, -2.8895936137439793, 2.3017575594644466),
        ),
        b0=(
            (-0.21641093549612528,),
            (1.5336352863679572, 0.26066223492647056),
            (-1.0536037558179159, 1.7015284721089472, -0.20725685784180017),
        ),
        a1=(
            (0.26204282091330466,),
            (0.20903646383505375, -0.1502377115150361),
            (0.05836595312746999, 0.6149440396332373, 0.08535117634046772),
        ),
        b1=(
            (-0.5119011827621657,),
            (2.67767339866713, -4.9395031322250995),
            (0.15580956238299215, 3.2361551006624674, -1.4223118283355949),
        ),
        alpha=(1.140099274172029, -0.6401334255743456, 0.4736296532772559, 0.026404498125060714),
        beta1=(-1.8453464565104432, 2.688764531100726, -0.2523866501071323, 0.40896857551684956),
        beta2=(0.4969658141589478, -0.5771202869753592, -0.12919702470322217, 0.2093514975196336),
        beta3=(2.8453464565104425, -2.688764531100725, 0.2523866501071322, -0.40896857551684945),
        beta4=(0.11522663875443433, -0.57877086147738, 0.2857851028163886, 0.17775911990655704),
    )
    evaluations_per_step: ClassVar[int] = 4
    evaluates_inside: ClassVar[bool] = False
