"""Shu and Osher's strong-stability-preserving method of order 3."""

from typing import Any, ClassVar

from jax import lax

from ...numerics.combine import linear_combination
from ...numerics.interpolation import cubic_hermite
from .explicit_runge_kutta import AbstractExplicitRungeKutta, Tableau
from .one_step import Step


class SSPRK33(AbstractExplicitRungeKutta):
    """Shu and Osher's third-order method in three stages: strong-stability preserving, two registers (give `dt0`).

        u1 = y + h f(t, y)
        u2 = 3/4 y + 1/4 (u1 + h f(t + h, u1))
        y1 = 1/3 y + 2/3 (u2 + h f(t + h/2, u2))

    Every stage is a convex combination of Euler steps no longer than h. Whatever a step of `Euler` does not increase
    (total variation, a maximum, negative parts), this method does not increase either, at the same step size: the SSP
    coefficient is 1, the largest possible for three stages of order 3. For hyperbolic conservation laws with limiters
    or upwind differences; take `dt0` from their CFL condition. On smooth problems `Tsit5` and `Bosh3` are better.

    Three evaluations per step. A step holds the state and one stage: no slope is kept or handed on. There is no error
    estimate, because it would say nothing about the CFL condition. The dense output is a cubic Hermite polynomial
    (order 3), for which a step in which something is saved evaluates the slopes at both ends; between the steps it does
    not preserve the variation: where that matters, save at the steps with `SaveAt(steps=1)`.

    References
    ----------
    Shu & Osher, Efficient implementation of essentially non-oscillatory shock-capturing schemes, J. Comput. Phys. 77
    (1988) 439-471.
    """

    tableau: ClassVar[Tableau] = Tableau(c=(1.0, 0.5), a=((1.0,), (0.25, 0.25)), b=(1 / 6, 1 / 6, 2 / 3), b_error=None)
    order: ClassVar[int] = 3
    error_order: ClassVar[int | None] = None
    evaluations_per_step: ClassVar[int] = 3
    carries_f0: ClassVar[bool] = False

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb` in the form of Shu and Osher; cost: three evaluations."""
        h = tb - ta
        slope = system.vector_field(ta, y) if f0 is None else f0
        stage = linear_combination(y, h, (1.0,), [slope])
        for t, keep in ((tb, 3 / 4), (ta + 0.5 * h, 1 / 3)):
            # As in the shared step: without the barrier XLA copies the combination into every reader.
            stage = lax.optimization_barrier(stage)
            euler = linear_combination(stage, h, (1.0,), [system.vector_field(t, stage)])
            stage = linear_combination(None, None, (keep, 1 - keep), [y, euler])
        return Step(stage, None, None, (h, y, stage))

    def complete(self, system: Any, ta: Any, tb: Any, dense: Any) -> Any:
        """Both ends and their slopes; cost: two evaluations."""
        h, y, y1 = dense
        return h, y, y1, system.vector_field(ta, y), system.vector_field(tb, y1)

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """Cubic Hermite interpolation, for `dense` as `complete` returns it; order 3."""
        h, y, y1, f0, f1 = dense
        return cubic_hermite(h, y, y1, f0, f1, fraction)
