"""The Euler-Maruyama method."""

from typing import Any, ClassVar

from ...numerics.combine import linear_combination
from ..methods.one_step import Step
from .method import AbstractNoiseMethod


class EulerMaruyama(AbstractNoiseMethod):
    """Euler-Maruyama: `y1 = y + h f(t, y) + g(t, y) W`. Strong order 1/2, weak order 1. Any noise, Ito.

    The simplest method, and for general noise as good in the strong sense as any without iterated integrals of the
    motions. With additive noise its strong order is 1. One evaluation of the drift and of the diffusion in a step;
    fixed steps, so `dt0` is needed. Explicit: for stiff drift `sj.ImplicitEulerMaruyama`. For means `sj.DRI1` (weak
    order 2), for diagonal noise `sj.SOSRI`, for additive noise `sj.SOSRA` reach the same accuracy with far fewer steps.
    With drift or diffusion that grow faster than linearly moments may diverge.

    A problem in Stratonovich's interpretation is solved with its drift converted (`sj.SDEProblem`).

    References
    ----------
    Maruyama, Continuous Markov processes and stochastic equations, Rend. Circ. Mat. Palermo 4 (1955) 48-90. Kloeden &
    Platen, Numerical Solution of Stochastic Differential Equations (1992), 10.2.
    """

    order: ClassVar[float] = 0.5
    weak_order: ClassVar[float] = 1.0
    error_order: ClassVar[int | None] = None
    evaluations_per_step: ClassVar[int] = 1
    noises: ClassVar = ("diagonal", "scalar", "additive", "general")

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: one evaluation of the drift and of the diffusion."""
        del f0
        noise = system.noise
        w, _ = noise.increments(ta, tb)
        moved = noise.times(noise.diffusion(ta, y), w)
        y1 = linear_combination(y, tb - ta, (1.0,), [system.vector_field(ta, y)])
        y1 = tuple(a + b for a, b in zip(y1, moved, strict=True))
        return Step(y1, None, None, (y, y1))
