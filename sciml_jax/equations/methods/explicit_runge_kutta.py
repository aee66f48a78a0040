"""Explicit Runge-Kutta methods from a Butcher tableau, with unrolled stages."""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from ...numerics.combine import linear_combination
from ...numerics.interpolation import cubic_hermite
from ...numerics.one_kernel import computed_once
from .one_step import AbstractOneStepMethod, Step
from .stiffness import effective_h_rho


class Tableau(NamedTuple):
    """Coefficients of an explicit Runge-Kutta method; the first stage is at `c = 0`."""

    c: tuple[float, ...]
    """Nodes of stages 2, 3, ..."""
    a: tuple[tuple[float, ...], ...]
    """Rows of the strictly lower triangle for stages 2, 3, ..."""
    b: tuple[float, ...]
    """Weights of the solution."""
    b_error: tuple[float, ...] | None
    """Weights of the error estimate (solution minus embedded solution)."""


def from_diffrax(tableau: Any) -> Tableau:
    """Read one of Diffrax's public tableau objects (`diffrax.Tsit5.tableau`, ...)."""
    floats = lambda values: tuple(float(v) for v in np.asarray(values))  # noqa: E731
    return Tableau(
        c=floats(tableau.c),
        a=tuple(floats(row) for row in tableau.a_lower),
        b=floats(tableau.b_sol),
        b_error=floats(tableau.b_error),
    )


class AbstractExplicitRungeKutta(AbstractOneStepMethod):
    """An explicit Runge-Kutta method, `k_i = f(t + c_i h, y + h sum_j a_ij k_j)`, `y1 = y + h sum_i b_i k_i`.

    A subclass gives the tableau and the orders. The dense output is a cubic Hermite polynomial through both ends, whose
    error behaves as h^4, unless the subclass overrides `dense` and `interpolate`. Every step also yields `f(t1, y1)`,
    which is the last stage of "first same as last" methods and the first of the next step for the others: no evaluation
    is lost but at the very end and on rejection.
    """

    tableau: ClassVar[Tableau]

    @property
    def estimates_stiffness(self) -> bool:
        """Whether a step has two evaluations at its end, as in Hairer & Wanner II (1996), IV.2."""
        return _is_first_same_as_last(self.tableau) and self.tableau.c[-2:] == (1.0, 1.0)

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: one evaluation for each stage after the first."""
        c, a, b, b_error = self.tableau
        once = computed_once if getattr(system, "computes_slopes_once", True) else _as_they_are
        h = once(tb - ta)
        stages = [once(system.vector_field(ta, y)) if f0 is None else f0]
        y_stage = before = y
        for node, row in zip(c, a, strict=True):
            # Every component of the vector field reads the whole stage: without the barrier XLA copies the combination
            # into each of them, which makes gradients 1.5-3 times slower (Lorenz) and doubles their compile time.
            before, y_stage = y_stage, lax.optimization_barrier(linear_combination(y, h, row, stages))
            # At the end of the step use tb itself: ta + 1.0 * h may differ from it by rounding.
            stages.append(once(system.vector_field(tb if node == 1.0 else ta + node * h, y_stage)))
        if _is_first_same_as_last(self.tableau):
            y1, f1 = y_stage, stages[-1]
        else:
            y1 = linear_combination(y, h, b, stages)
            f1 = system.vector_field(tb, y1)
        error = None if b_error is None else linear_combination(None, h, b_error, stages)
        # Two evaluations at the end of the step, at y1 and near it (at the last stage but one, or one before), give an
        # estimate of the Jacobian's spectral radius for nothing; where it is not used XLA drops it.
        stiffness = None
        if self.estimates_stiffness and hasattr(system, "norm"):
            stiffness = effective_h_rho(_ratio(system, h, f1, stages[-2], y1, before), stages[0], f1)
        return Step(y1, error, f1, self.dense(h, y, y1, stages, f1), stiffness=stiffness)

    def dense(self, h: Any, y: tuple, y1: tuple, stages: list[tuple], f1: tuple) -> Any:
        """What the interpolant needs of a step."""
        return h, y, y1, stages[0], f1

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """Cubic Hermite interpolation; its error behaves as h^4."""
        h, y0, y1, f0, f1 = dense
        return cubic_hermite(h, y0, y1, f0, f1, fraction)


def _as_they_are(values: Any) -> Any:
    return values


def _is_first_same_as_last(tableau: Tableau) -> bool:
    return tableau.c[-1:] == (1.0,) and tuple(tableau.b[:-1]) == tuple(tableau.a[-1]) and tableau.b[-1] == 0.0


def _ratio(system: Any, h: Any, f1: tuple, f2: tuple, y1: tuple, y2: tuple) -> Any:
    """`h |f1 - f2| / |y1 - y2|` in the norm of the tolerances, zero where the states are equal; no derivative.

    In that norm, because at tight tolerances the largest components of `y1 - y2` are nothing but rounding.
    """
    size = lambda a, b: system.norm(tuple(p - q for p, q in zip(a, b, strict=True)), y1, y1)
    moved, near = lax.stop_gradient((size(f1, f2), size(y1, y2)))
    h = jnp.abs(jnp.asarray(lax.stop_gradient(h)))
    ratio = (moved / jnp.where(near > 0, near, 1.0)).astype(h.dtype)
    return jnp.where(near > 0, h * ratio, jnp.zeros_like(ratio))
