"""Rosenbrock methods: linearly implicit, one matrix factorisation per step, no Newton iteration."""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jax import lax

from ...numerics.combine import linear_combination
from ...numerics.sparse_elimination import EliminationSolver
from ..linear_solvers import checked_linear_solver
from .one_step import AbstractOneStepMethod, Step
from .stiffness import effective_h_rho


class RosenbrockTableau(NamedTuple):
    """Coefficients in the form that needs no matrix-vector products with the Jacobian (Hairer & Wanner II, IV.7)."""

    gamma: float
    """Diagonal coefficient: the matrix is `I/(gamma h) - J`."""
    c: tuple[float, ...]
    """Nodes of all stages."""
    a: tuple[tuple[float, ...], ...]
    """`a[i][j]`, weight of stage j in the argument of stage i."""
    coupling: tuple[tuple[float, ...], ...]
    """`C[i][j]`, weight of stage j over h in the right-hand side of stage i."""
    d: tuple[float, ...]
    """Weights of `h df/dt`."""
    dense: tuple[tuple[float, ...], ...]
    """Rows of the dense output's coefficients."""
    error: tuple[float, ...] | None = None
    """Weights of the error estimate, for a method whose last stage is evaluated at the new state; None for a stiffly
    accurate method, whose last stage is the estimate and a part of the new state."""


class AbstractRosenbrock(AbstractOneStepMethod):
    """A Rosenbrock method with the exact Jacobian.

    Stage i solves `(M/(gamma h) - J) u_i = f(t + c_i h, y + sum_j a_ij u_j) + M sum_j C_ij u_j / h + d_i h df/dt`, with
    `J = df/dy` and `df/dt` at the beginning of the step. The solution is the last stage's argument plus its increment,
    which is the error estimate; or, where the tableau has weights for the estimate, the last stage's argument itself.
    """

    linear_solver: Any = eqx.field(default=None, converter=checked_linear_solver)

    tableau: ClassVar[RosenbrockTableau]
    is_implicit: ClassVar[bool] = True
    carries_f0: ClassVar[bool] = False
    solves_mass_matrix: ClassVar[bool] = True
    most_components: ClassVar[int] = 32

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: one Jacobian, one factorisation, a solve and an evaluation per stage."""
        table = self.tableau
        h = tb - ta
        inverse_h = 1.0 / h
        linearised = system.linearise(ta, y)
        solve = linearised.shifted_solver(inverse_h / table.gamma)
        stages: list[tuple] = []
        argument = y
        first: Any = None
        last: Any = None
        for node, row, coupling, d in zip(table.c, table.a, table.coupling, table.d, strict=True):
            argument = lax.optimization_barrier(linear_combination(y, None, row, stages)) if stages else y
            t = tb if node == 1.0 else ta + node * h
            rhs = system.vector_field(t, argument) if stages or f0 is None else f0
            first, last = rhs if first is None else first, rhs
            if stages and linearised.mass is None:
                rhs = linear_combination(rhs, inverse_h, coupling, stages)
            elif stages:
                coupled = linear_combination(None, inverse_h, coupling, stages)
                rhs = tuple(a + b for a, b in zip(rhs, system.mass_product(coupled), strict=True))
            if d != 0.0 and linearised.time_derivative is not None:
                rhs = linear_combination(rhs, h, (d,), [linearised.time_derivative])
            rhs = lax.optimization_barrier(rhs)
            stages.append(lax.optimization_barrier(solve(rhs)))
        y1, f1, error = argument, last, stages[-1]
        if table.error is None:
            y1, f1 = tuple(a + b for a, b in zip(argument, error, strict=True)), None
        else:
            error = linear_combination(None, None, table.error, stages)
        error = _rejected_unless(solve, error)
        coefficients = tuple(linear_combination(None, None, row, stages) for row in table.dense)
        size = jnp.abs(jnp.asarray(lax.stop_gradient(h)))
        stiffness = effective_h_rho(size * linearised.size().astype(size.dtype), first, last)
        return Step(y1, error, f1, (y, y1, coefficients), stiffness=stiffness)

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """`(1 - s) y0 + s (y1 + (1 - s) (k1 + s (k2 + ...)))`, which ends on `y1`."""
        y, y1, coefficients = dense
        leaves = []
        for i, (start, end) in enumerate(zip(y, y1, strict=True)):
            s = fraction.astype(start.real.dtype) if hasattr(fraction, "astype") else fraction
            polynomial = coefficients[-1][i]
            for row in reversed(coefficients[:-1]):
                polynomial = row[i] + s * polynomial
            leaves.append((1 - s) * start + s * (end + (1 - s) * polynomial))
        return tuple(leaves)


def _rejected_unless(solve: Any, error: tuple) -> tuple:
    """The error; not a number where the solver knows that it lost its digits, so that a shorter step is tried.

    As the step becomes shorter its matrix comes close to a multiple of the identity, which every elimination solves.
    """
    if not isinstance(solve, EliminationSolver):
        return error
    return tuple(jnp.where(solve.is_reliable, leaf, jnp.nan) for leaf in error)
