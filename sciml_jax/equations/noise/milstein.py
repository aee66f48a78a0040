"""Milstein's method."""

from typing import Any, ClassVar

from ...numerics.combine import linear_combination
from ..methods.one_step import Step
from .method import AbstractNoiseMethod


class Milstein(AbstractNoiseMethod):
    """Milstein's method: strong order 1, weak order 1. Diagonal, scalar or additive noise, both interpretations.

    With `h = t1 - t` and the increment W of the motion, per entry of the state,

        y1 = y + h f + g W + (dg/dy) g (W^2 - h)/2    (Ito),    ... + (dg/dy) g W^2/2    (Stratonovich).

    The derivative is exact, by Jacobian-vector products of the diffusion: one for scalar noise, n for diagonal noise of
    n motions, where it is `(dg_i/dy_i) g_i`. For diagonal noise the order supposes that g_i depends on y_i only;
    otherwise iterated integrals are missing and the strong order is 1/2. Fixed steps, so `dt0` is needed.

    `sj.SOSRI` and `sj.SRIW1` are of order 1.5, adapt their steps and need no derivative: prefer this method for few and
    large steps, where `g` is cheap, and as a reference. With additive noise it is `EulerMaruyama`.

    References
    ----------
    Milstein, Approximate integration of stochastic differential equations, Theory Probab. Appl. 19 (1974) 557-562.
    Kloeden & Platen, Numerical Solution of Stochastic Differential Equations (1992), 10.3.
    """

    order: ClassVar[float] = 1.0
    weak_order: ClassVar[float] = 1.0
    error_order: ClassVar[int | None] = None
    evaluations_per_step: ClassVar[int] = 1
    noises: ClassVar = ("diagonal", "scalar", "additive")
    interpretations: ClassVar = ("ito", "stratonovich")
    needs_noise_term: ClassVar[bool] = True

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: an evaluation of the drift, and of the diffusion with its derivative."""
        del f0
        noise, h = system.noise, tb - ta
        w, _ = noise.increments(ta, tb)
        y1 = linear_combination(y, h, (1.0,), [system.vector_field(ta, y)])
        if noise.form.is_additive:
            moved = noise.times(noise.diffusion(ta, y), w)
        else:
            diffusion, term = noise.diffusion_and_term(ta, y)
            compensated = h if noise.form.interpretation == "ito" else 0 * h
            squares = tuple(0.5 * (a * a - compensated.astype(a.dtype)) for a in w)
            moved = linear_combination(noise.times(diffusion, w), None, (1.0,), [noise.times(term, squares)])
        y1 = tuple(a + b for a, b in zip(y1, moved, strict=True))
        return Step(y1, None, None, (y, y1))
