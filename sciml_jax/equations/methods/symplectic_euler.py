"""The symplectic Euler method."""

from typing import Any, ClassVar

from ...numerics.combine import linear_combination
from .one_step import Step
from .separable import separate
from .symplectic import AbstractSymplecticMethod


class SymplecticEuler(AbstractSymplecticMethod):
    """The symplectic Euler method, `p1 = p + h F(t, q)`, `q1 = q + h G(p1)`: order 1, fixed steps (give `dt0`).

    Also called semi-implicit Euler. One force per step; dense output with an error of h^4. For teaching:
    `VelocityVerlet` has order 2 for the same force and is symmetric besides.

    References
    ----------
    de Vogelaere, Methods of integration which preserve the contact transformation property of the Hamilton equations,
    report, University of Notre Dame (1956); Hairer, Lubich & Wanner, Geometric Numerical Integration (2006), I.1.2.
    """

    order: ClassVar[int] = 1
    evaluations_per_step: ClassVar[int] = 1

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y = (*q, *p)` from `ta` to `tb`; cost: one force, which the next step begins with."""
        drift, kick = separate(system, ta, y, self.name)
        half = len(y) // 2
        h = tb - ta
        q, p = y[:half], y[half:]
        if f0 is None:
            f0 = (*drift(ta, p), *kick(ta, q))
        p = linear_combination(p, h, (1.0,), [f0[half:]])
        slope = drift(tb, p)
        q = linear_combination(q, h, (1.0,), [slope])
        y1, f1 = (*q, *p), (*slope, *kick(tb, q))
        return Step(y1, None, f1, (h, y, y1, f0, f1))
