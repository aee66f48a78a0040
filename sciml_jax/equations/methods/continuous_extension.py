"""Explicit Runge-Kutta methods of high order, with extra stages for a dense output of the same order."""

from typing import Any, ClassVar, NamedTuple

from jax import lax

from ...numerics.combine import linear_combination
from ...numerics.interpolation import cubic_hermite
from .explicit_runge_kutta import AbstractExplicitRungeKutta


class Extension(NamedTuple):
    """Coefficients of a continuous extension.

    Stages are counted on from the method's own: those of the tableau, then `f(t1, y1)` unless that is the last of them
    already, then the extra ones.
    """

    c: tuple[float, ...]
    """Nodes of the extra stages."""
    a: tuple[tuple[float, ...], ...]
    """Weights of all earlier stages in the argument of each extra stage."""
    weights: tuple[tuple[float, ...], ...]
    """`weights[j][i]`: stage i's share in the correction that goes with `(2 s - 1)^j`."""


class AbstractContinuousRungeKutta(AbstractExplicitRungeKutta):
    """An explicit Runge-Kutta method with a continuous extension.

    At the fraction s of a step, with k_i all stages and H the cubic Hermite polynomial through both ends,

        y(s) = H(s) + s^2 (1 - s)^2 h sum_j (2 s - 1)^j sum_i weights_ji k_i.

    Published extensions give one polynomial for each stage, in powers of s. This is the same polynomial, written so
    that its value and its slope at both ends do not depend on the weights: the dense output is continuously
    differentiable to rounding, and the weights are smaller by factors of 14 to 200, and with them what cancels.

    The extra stages are evaluated by `complete`, which the engine calls only in steps in which something is saved.
    """

    extension: ClassVar[Extension]

    def dense(self, h: Any, y: tuple, y1: tuple, stages: list[tuple], f1: tuple) -> Any:
        """The ends of the step and its stages, `f(t1, y1)` last."""
        known = stages if stages[-1] is f1 else [*stages, f1]
        return h, y, y1, tuple(known)

    def complete(self, system: Any, ta: Any, tb: Any, dense: Any) -> Any:
        """The ends, their slopes and the corrections; cost: one evaluation for each extra stage."""
        del tb
        h, y, y1, known = dense
        stages, f1 = list(known), known[-1]
        for node, row in zip(self.extension.c, self.extension.a, strict=True):
            y_stage = lax.optimization_barrier(linear_combination(y, h, row, stages))
            stages.append(system.vector_field(ta + node * h, y_stage))
        corrections = tuple(linear_combination(None, h, weights, stages) for weights in self.extension.weights)
        return h, y, y1, stages[0], f1, corrections

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """The Hermite polynomial and the corrections, for `dense` as `complete` returns it."""
        h, y, y1, f0, f1, corrections = dense
        cubic = cubic_hermite(h, y, y1, f0, f1, fraction)
        position, bump = 2 * fraction - 1, (fraction * (1 - fraction)) ** 2
        correction = corrections[-1]
        for lower in corrections[-2::-1]:
            correction = linear_combination(lower, position, (1.0,), [correction])
        return linear_combination(cubic, bump, (1.0,), [correction])
