"""<Name>'s method of order <p>."""

from typing import Any, ClassVar

from .one_step import AbstractOneStepMethod, Step
from ...numerics.combine import linear_combination
from ...numerics.interpolation import cubic_hermite


class MyMethod(AbstractOneStepMethod):
    """<Name>: order <p>, <what is special>. <For which problems and tolerances.>

    <Evaluations per step. When not to use it, and what to use instead.>

    References
    ----------
    <Author, title, journal volume (year) pages.>
    """

    order: ClassVar[int] = 2
    error_order: ClassVar[int | None] = 2  # None: no estimate, users must give dt0
    evaluations_per_step: ClassVar[int] = 2

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: <evaluations, solves>."""
        h = tb - ta
        k1 = system.vector_field(ta, y) if f0 is None else f0
        k2 = system.vector_field(tb, linear_combination(y, h, (1.0,), [k1]))
        y1 = linear_combination(y, h, (0.5, 0.5), [k1, k2])
        error = linear_combination(None, h, (0.5, -0.5), [k1, k2])
        f1 = system.vector_field(tb, y1)
        return Step(y1, error, f1, (h, y, y1, k1, f1))

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """<Which interpolant>; order <q>."""
        return cubic_hermite(*dense, fraction)
