"""Diagonally implicit Runge-Kutta methods with an explicit first stage."""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from ...numerics.combine import linear_combination
from ..linear_solvers import checked_linear_solver
from .implicit_stage import Kept, Solved, empty_scratch, handed_on, is_fresh, prepare, solve_stage
from .one_step import AbstractOneStepMethod, Step, Work

RETREAT = 0.3
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
    """Weights of the solution minus those of the embedded one."""
    dense: tuple[tuple[float, ...], ...]
    """`dense[m][i]`: weight of `Y_(i+2) - y` in the coefficient of `s^(m+1) (1 - s)` of the dense output."""


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
    iteration. The error estimate `h sum_i d_i F_i` is multiplied by `(M - gamma h J)^-1`, which leaves it as it is in the
    slow directions and makes it bounded in the stiff ones (Hosea & Shampine 1996). The dense output is a combination of
    stage values alone; it is as insensitive to stiffness as those.
    """

    linear_solver: Any = eqx.field(default=None, converter=checked_linear_solver)

    tableau: ClassVar[DiagonallyImplicitTableau]
    is_implicit: ClassVar[bool] = True
    carries_scratch: ClassVar[bool] = True
    solves_mass_matrix: ClassVar[bool] = True
    counts_work: ClassVar[bool] = True

    def begin_scratch(self, system: Any, t0: Any, y0: tuple) -> Hints:
        """Nothing known about the Jacobian, and nothing to extrapolate."""
        nothing = tuple(jnp.zeros_like(leaf) for leaf in y0)
        dense = y0, y0, (nothing,) * len(self.tableau.dense)
        return Hints(empty_scratch(system, t0, y0), Trend(t0, jnp.zeros_like(t0), dense))

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: per implicit stage one to three evaluations and substitutions."""
        table, h = self.tableau, tb - ta
        hints, system = system.scratch, with_kept(system)
        kept, work = prepare(system, ta, y, table.gamma * h)
        slopes = [system.vector_field(ta, y) if f0 is None else f0]
        ahead = predictor(self, hints, ta, h, y)
        values, total = [y], Solved(*(jnp.ones((), y[0].dtype) * n for n in (1.0, 0.0, 0.0, 0.0)))
        for i in range(1, len(table.c)):
            t = tb if table.c[i] == 1.0 else ta + table.c[i] * h
            known = linear_combination(None, None, [a / table.gamma for a in table.a[i]], slopes)
            known = lax.optimization_barrier(known)
            guess = ahead(table.c[:i], values, table.c[i])
            value, solved = solve_stage(system, t, y, table.gamma * h, guess, kept, known=known)
            value = lax.optimization_barrier(value)
            kept, total = after(kept, total, solved)
            values.append(value)
            slopes.append(stage_slope(system, value, y, table.gamma * h, known))
        dense = self.dense(y, values)
        error, products = filtered_error(system, kept, linear_combination(None, h, table.error, slopes), table.gamma * h)
        evaluations = total.iterations + (1.0 if f0 is None else 0.0)
        return Step(
            values[-1],
            error,
            slopes[-1],
            dense,
            work=work._replace(vector_field=evaluations, jvp=total.products + products),
            **outcome(system, hints, kept, total, ta, h, dense),
        )

    def dense(self, y: tuple, values: list[tuple]) -> Any:
        """Both ends, and the coefficients of the interpolant."""
        moved = [tuple(a - b for a, b in zip(value, y, strict=True)) for value in values[1:]]
        return y, values[-1], tuple(linear_combination(None, None, row, moved) for row in self.tableau.dense)

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


def with_kept(system: Any) -> Any:
    """The system as `prepare` wants it."""
    return system if system.scratch is None else system.with_scratch(system.scratch.kept)


def predictor(method: Any, hints: Hints | None, ta: Any, h: Any, y: tuple) -> Any:
    """`guess(nodes, values, node)`: a stage predicted from earlier ones, without derivatives.

    The last step's interpolant, and by how much the stages so far differ from it, extrapolated by a polynomial; where
    there is no last step, or it was much shorter, the stages alone.
    """
    if hints is None:
        trend = lambda node: y
    else:
        t, last, dense = hints.trend
        serves = (last != 0) & (jnp.abs(h) <= LONGEST_EXTRAPOLATION * jnp.abs(last))
        last = jnp.where(serves, last, jnp.ones_like(last))

        def trend(node):
            ahead = method.interpolate(dense, (ta + node * h - t) / last)
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
    """Weights of the values at `nodes` in their polynomial at `node`."""
    weights = []
    for i, own in enumerate(nodes):
        weight = 1.0
        for j, other in enumerate(nodes):
            weight *= 1.0 if i == j else (node - other) / (own - other)
        weights.append(weight)
    return weights


def after(kept: Kept, total: Solved, solved: Solved) -> tuple[Kept, Solved]:
    """What the next stage knows of the rate of convergence, and how the stages so far went, the worst of them."""
    # A single iteration tells no rate.
    rate = jnp.where(solved.iterations > 1, solved.rate, kept.rate.astype(solved.rate.dtype))
    kept = kept._replace(rate=rate.astype(kept.rate.dtype))
    return kept, Solved(
        jnp.minimum(total.converged, solved.converged),
        total.iterations + solved.iterations,
        rate,
        total.products + solved.products,
    )


def stage_slope(system: Any, value: tuple, y: tuple, scale: Any, known: tuple) -> tuple:
    """`M (value - y)/scale - known`, which is f at the solution of the stage's equation."""
    moved = system.mass_product(tuple(a - b for a, b in zip(value, y, strict=True)))
    scaled = linear_combination(None, 1.0 / scale, (1.0,), [moved])
    return lax.optimization_barrier(tuple(a - b for a, b in zip(scaled, known, strict=True)))


def filtered_error(system: Any, kept: Kept, raw: tuple, scale: Any) -> tuple[tuple, Any]:
    """`(M - scale J)^-1 raw` with the kept factors, and the Jacobian-vector products that it took; no derivative."""
    raw, kept, scale = lax.stop_gradient((raw, kept, scale))
    rhs = linear_combination(None, 1.0 / kept.scale, (1.0,), [raw])
    return system.with_jacobian(kept.jacobian).solve_counted(kept.factors, rhs)


def outcome(system: Any, hints: Hints | None, kept: Kept, total: Solved, ta: Any, h: Any, dense: Any) -> dict:
    """Whether the stages were solved, what that means for the step size, and what the next attempt gets."""
    converged = total.converged > 0
    retry = jnp.where(is_fresh(kept, ta), RETREAT, 1.0)
    found = dict(factor=jnp.where(converged, jnp.nan, retry), unsolved=~converged)
    if hints is None:
        return found
    trend = jax.tree_util.tree_map(lambda a, b: jnp.where(converged, a, b), Trend(ta, h, dense), hints.trend)
    return dict(found, scratch=Hints(handed_on(kept, ta, total), trend))
