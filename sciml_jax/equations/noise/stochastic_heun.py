"""Heun's method for Stratonovich equations."""

from typing import Any, ClassVar

from ...numerics.combine import linear_combination
from ..methods.one_step import Step
from .method import AbstractNoiseMethod


class StochasticHeun(AbstractNoiseMethod):
    """Heun's method for Stratonovich equations: strong order 1/2, and 1 where the noise commutes. Any noise.

        z = y + h f(t, y) + g(t, y) W,   y1 = y + h/2 (f(t, y) + f(t1, z)) + 1/2 (g(t, y) + g(t1, z)) W

    Noise commutes if it is scalar, additive, or diagonal with g_i depending on y_i only. Weak order 1; of order 2 where
    the noise vanishes. Two evaluations of drift and diffusion in a step, no derivatives; fixed steps, so `dt0` is
    needed. The default for general noise in Stratonovich's interpretation. Ito problems are solved with their drift
    converted, which takes derivatives of the diffusion (`sj.SDEProblem`): `sj.EulerMaruyama` does without.

    References
    ----------
    Kloeden & Platen, Numerical Solution of Stochastic Differential Equations (1992), 15.5. Ruemelin, Numerical
    treatment of stochastic differential equations, SIAM J. Numer. Anal. 19 (1982) 604-613.
    """

    order: ClassVar[float] = 0.5
    weak_order: ClassVar[float] = 1.0
    error_order: ClassVar[int | None] = None
    evaluations_per_step: ClassVar[int] = 2
    noises: ClassVar = ("diagonal", "scalar", "additive", "general")
    interpretations: ClassVar = ("stratonovich",)

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: two evaluations of the drift and of the diffusion."""
        del f0
        noise, h = system.noise, tb - ta
        w, _ = noise.increments(ta, tb)
        slope, diffusion = system.vector_field(ta, y), noise.diffusion(ta, y)
        predicted = linear_combination(y, h, (1.0,), [slope])
        predicted = tuple(a + b for a, b in zip(predicted, noise.times(diffusion, w), strict=True))
        slopes, diffusions = [slope, system.vector_field(tb, predicted)], [diffusion, noise.diffusion(tb, predicted)]
        y1 = linear_combination(y, h, (0.5, 0.5), slopes)
        moved = noise.times(linear_combination(None, None, (0.5, 0.5), diffusions), w)
        y1 = tuple(a + b for a, b in zip(y1, moved, strict=True))
        return Step(y1, None, None, (y, y1))
