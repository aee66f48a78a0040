"""Diagonally implicit Runge-Kutta methods with an explicit first stage."""

import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from ...numerics.combine import linear_combination
from ..linear_solvers import checked_linear_solver
from .implicit_stage import Kept, empty_scratch, handed_on, is_fresh, prepare, solve_stage
from .one_step import AbstractOneStepMethod, Step
from .simplified_newton import Solved

MAX_ITERATIONS = 10
"""Newton iterations of a stage: a failure costs the stages before it too."""

SLOW = 0.05
"""Rate of convergence of a stage beyond which the next step gets a new Jacobian."""

RETREAT = 0.5
"""Of the step size, when an iteration fails with a new Jacobian."""

LONGEST_EXTRAPOLATION = 3.0
"""Growth of the step size up to which the last step's interpolant predicts the stages."""


class DiagonallyImplicitTableau(NamedTuple):
    """Coefficients of a stiffly accurate method whose first stage is explicit and whose others share one diagonal.

    Stage values are `Y_i = y + h sum_j a_ij k_j` with `a_ii = gamma` from the second stage on; the last one is the
    solution at the end of the step.
    """

    gamma: float
    """The diagonal coefficient: the matrix is `M/(gamma h) - J`."""
    c: tuple[float, ...]
    """Nodes of all stages."""
    a: tuple[tuple[float, ...], ...]
    """`a[i][j]`, j < i: weights of earlier stages."""
    error: tuple[float, ...]
    """`error[i]`: weight of `Y_(i+2) - y` in the error estimate."""
    dense: tuple[tuple[float, ...], ...]
    """`dense[m][i]`: weight of `Y_(i+2) - y` in the coefficient of `s^(m+1) (1 - s)` of the dense output."""
    explicit: tuple[tuple[float, ...], ...] | None = None
    """`explicit[i][j]`, j < i: weights of the explicit part of a split vector field, with the same nodes."""


class Trend(NamedTuple):
    """The interpolant of the last attempt whose stages were solved: it predicts the next ones."""

    t: Any
    h: Any
    """The size of that step; zero before the first."""
    dense: Any


class Hints(NamedTuple):
    """What attempts hand on."""

    kept: Kept
    trend: Trend


class AbstractDiagonallyImplicit(AbstractOneStepMethod):
    """A stiffly accurate diagonally implicit Runge-Kutta method with an explicit first stage.

    With `F_1 = f(ta, y)`, which is the last stage's F of the step before, stage i > 1 solves

        M (Y_i - y)/(gamma h) = f(ta + c_i h, Y_i) + sum_(j<i) (a_ij/gamma) F_j

    by simplified Newton iterations with one matrix `M/(gamma h) - J` for all stages, kept from step to step while it
    serves; `F_i` is the left-hand side minus the sum. So `M` may be singular, and F carries no amplified error of the
    iteration. The dense output is a combination of stage values alone: it is as insensitive to stiffness as those, and
    needs no slopes of algebraic variables.

    A split vector field adds `sum_(j<i) (e_ij/gamma) E_j` on the right, with E its explicit part at the stages.
    """

    linear_solver: Any = eqx.field(default=None, converter=checked_linear_solver)

    tableau: ClassVar[DiagonallyImplicitTableau]
    newton_accuracy: ClassVar[float]
    """Bound on the error that the iteration leaves in a stage, in units of the tolerance."""
    is_implicit: ClassVar[bool] = True
    carries_scratch: ClassVar[bool] = True
    solves_mass_matrix: ClassVar[bool] = True
    counts_work: ClassVar[bool] = True

    def begin_scratch(self, system: Any, t0: Any, y0: tuple) -> Hints:
        """Nothing known about the Jacobian, and nothing to extrapolate."""
        implicit, _ = self.parts(system)
        nothing = tuple(jnp.zeros_like(leaf) for leaf in y0)
        dense = y0, y0, (nothing,) * len(self.tableau.dense)
        return Hints(empty_scratch(implicit, t0, y0), Trend(t0, jnp.zeros_like(t0), dense))

    def parts(self, system: Any) -> tuple[Any, Any]:
        """The systems to be solved implicitly and explicitly; None in place of the latter where all is implicit."""
        return system, None

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: per implicit stage two or three evaluations and substitutions."""
        table, h, hints = self.tableau, tb - ta, system.scratch
        implicit, explicit = self.parts(system)
        implicit = implicit if hints is None else implicit.with_scratch(hints.kept)
        scale = table.gamma * h
        kept, work = prepare(implicit, ta, y, scale)
        slopes = [implicit.vector_field(ta, y) if f0 is None else f0]
        others = [] if explicit is None else [explicit.vector_field(ta, y)]
        guess = predictor(self, hints, ta, h, y)
        values, total = [y], unworked(y)
        for i in range(1, len(table.c)):
            t = tb if table.c[i] == 1.0 else ta + table.c[i] * h
            known = self.known(i, slopes, others)
            point = t, y, scale, guess(table.c[:i], values, table.c[i]), kept
            value, solved = solve_stage(
                implicit, *point, known=known, accuracy=self.newton_accuracy, iterations=MAX_ITERATIONS
            )
            value = lax.optimization_barrier(value)
            kept, total = after(kept, total, solved)
            values.append(value)
            slopes.append(stage_slope(implicit, value, y, scale, known))
            if explicit is not None:
                others.append(explicit.vector_field(t, value))
        values = self.completed(values, others, h)
        dense = self.dense(values)
        error, products = self.local_error(implicit, kept, h, values, slopes)
        evaluations = total.iterations + (1.0 if f0 is None else 0.0)
        work = work._replace(vector_field=evaluations, jvp=total.products + products)
        f1 = slopes[-1] if explicit is None else None
        return Step(values[-1], error, f1, dense, work=work, **outcome(hints, kept, total, ta, h, dense))

    def known(self, i: int, slopes: list[tuple], others: list[tuple]) -> tuple:
        """What earlier stages contribute to the equation of stage i."""
        weights = [a / self.tableau.gamma for a in self.tableau.a[i]]
        known = linear_combination(None, None, weights, slopes)
        if others and self.tableau.explicit is not None:
            weights = [a / self.tableau.gamma for a in self.tableau.explicit[i]]
            known = linear_combination(known, None, weights, others)
        return lax.optimization_barrier(known)

    def completed(self, values: list[tuple], others: list[tuple], h: Any) -> list[tuple]:
        """The stages with the implicit weights for the explicit part too, of which the last one is the solution.

        `y + h sum_j a_ij (F_j + E_j)` in place of `y + h sum_j (a_ij F_j + e_ij E_j)`.
        """
        table = self.tableau
        if not others or table.explicit is None:
            return values
        out = [values[0]]
        for value, own, other in zip(values[1:], table.a[1:], table.explicit[1:], strict=True):
            weights = [*(a - e for a, e in zip(own, other, strict=True)), table.gamma]
            out.append(lax.optimization_barrier(linear_combination(value, h, weights, others)))
        return out

    def local_error(self, system: Any, kept: Kept, h: Any, values: list[tuple], slopes: list[tuple]) -> tuple:
        """The estimate, and the Jacobian-vector products that it took."""
        del system, kept, h, slopes
        return linear_combination(None, None, self.tableau.error, moves(values)), 0.0

    def dense(self, values: list[tuple]) -> Any:
        """Both ends, and the coefficients of the interpolant."""
        rows = self.tableau.dense
        return values[0], values[-1], tuple(linear_combination(None, None, row, moves(values)) for row in rows)

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """`y + s (y1 - y) + s (1 - s) (q_0 + s q_1 + ...)` at the fraction s; exact at both ends."""
        y, y1, coefficients = dense
        leaves = []
        for i, (start, end) in enumerate(zip(y, y1, strict=True)):
            s = fraction.astype(start.real.dtype) if hasattr(fraction, "astype") else fraction
            bend = coefficients[-1][i]
            for row in reversed(coefficients[:-1]):
                bend = row[i] + s * bend
            leaves.append((1 - s) * (start + s * bend) + s * end)
        return tuple(leaves)


def moves(values: list[tuple]) -> list[tuple]:
    """By how much the stages after the first differ from it."""
    return [tuple(a - b for a, b in zip(value, values[0], strict=True)) for value in values[1:]]


def predictor(method: AbstractDiagonallyImplicit, hints: Hints | None, ta: Any, h: Any, y: tuple) -> Callable:
    """`guess(nodes, values, node)`: a stage predicted from earlier ones, without derivatives.

    The last step's interpolant, and by how much the stages so far differ from it, extrapolated by a polynomial; where
    there is no last step, or it was much shorter, the stages alone.
    """

    def trend(node):
        if hints is None:
            return y
        t, last, dense = hints.trend
        serves = (last != 0) & (jnp.abs(h) <= LONGEST_EXTRAPOLATION * jnp.abs(last))
        ahead = method.interpolate(dense, (ta + node * h - t) / jnp.where(serves, last, jnp.ones_like(last)))
        return tuple(jnp.where(serves, a, b) for a, b in zip(ahead, y, strict=True))

    def guess(nodes, values, node):
        start = trend(node)
        if len(nodes) > 1:
            pairs = zip(values[1:], map(trend, nodes[1:]), strict=True)
            deviations = [tuple(a - b for a, b in zip(*pair, strict=True)) for pair in pairs]
            start = linear_combination(start, None, lagrange(nodes, node)[1:], deviations)
        return lax.stop_gradient(start)

    return guess


def lagrange(nodes: tuple[float, ...], node: float) -> list[float]:
    """Weights of the values at `nodes` in a polynomial at `node`: a cubic one, through the first and the nearest."""
    nearest = sorted(nodes[1:], key=lambda other: abs(other - node))[:3]
    chosen = (nodes[0], *nearest)
    weights = []
    for own in nodes:
        factors = [(node - other) / (own - other) for other in chosen if other != own]
        weights.append(math.prod(factors) if own in chosen else 0.0)
    return weights


def unworked(y: tuple) -> Solved:
    """No stage solved yet."""
    one = jnp.ones((), jnp.finfo(y[0].dtype).dtype)
    return Solved(one, 0 * one, 0 * one, 0 * one)


def after(kept: Kept, total: Solved, solved: Solved) -> tuple[Kept, Solved]:
    """What the next stage knows of the rate of convergence, and how the stages so far went, the worst of them."""
    # A single iteration tells no rate.
    rate = jnp.where(solved.iterations > 1, solved.rate, 0.0)
    return kept._replace(rate=solved.rate.astype(kept.rate.dtype)), Solved(
        jnp.minimum(total.converged, solved.converged),
        total.iterations + solved.iterations,
        jnp.maximum(total.rate, rate),
        total.products + solved.products,
    )


def stage_slope(system: Any, value: tuple, y: tuple, scale: Any, known: tuple) -> tuple:
    """`M (value - y)/scale - known`, which is f at the solution of the stage's equation."""
    moved = system.mass_product(tuple(a - b for a, b in zip(value, y, strict=True)))
    scaled = linear_combination(None, 1.0 / scale, (1.0,), [moved])
    return lax.optimization_barrier(tuple(a - b for a, b in zip(scaled, known, strict=True)))


def outcome(hints: Hints | None, kept: Kept, total: Solved, ta: Any, h: Any, dense: Any) -> dict:
    """Whether the stages were solved, what that means for the step size, and what the next attempt gets."""
    converged = total.converged > 0
    # With a Jacobian of its own only a smaller step can help, otherwise a new Jacobian; the controller does the rest.
    retry = jnp.where(is_fresh(kept, ta), RETREAT, 1.0)
    found = dict(factor=jnp.where(converged, jnp.nan, retry), unsolved=~converged)
    if hints is None:
        return found
    trend = jax.tree_util.tree_map(lambda a, b: jnp.where(converged, a, b), Trend(ta, h, dense), hints.trend)
    handed = handed_on(kept, ta, total._replace(rate=kept.rate))
    distrusted = jnp.where(total.rate > SLOW, jnp.ones_like(kept.age), handed.distrusted)
    return dict(found, scratch=Hints(handed._replace(distrusted=distrusted), trend))
