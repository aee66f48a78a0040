"""Backward differentiation of variable order and step size."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import lax

from ...numerics.combine import linear_combination
from ..delays.problem import DDEProblem
from ..engine.krylov_linearisation import KrylovLinearisation
from ..implicit_dae import ImplicitDAEProblem
from ..linear_solvers import Direct, checked_linear_solver
from ..problem import ODEProblem
from .bdf_coefficients import ALPHA, ERROR, GAMMA, MAX_ORDER, pick
from .bdf_differences import Differences, advanced, as_differences, rescaled
from .bdf_selection import EQUAL, Attempt, decide, estimates
from .implicit_stage import Kept, empty_scratch, handed_on, is_fresh, prepare, solve_stage
from .one_step import AbstractOneStepMethod, Step
from .rodas5p import Rodas5P
from .simplified_newton import Solved
from .start_slope import as_if_moved, start_slope

ACCURACY = 0.05
"""Bound on the error that the Newton iteration leaves, in units of the tolerance."""


class BDF(AbstractOneStepMethod):
    """Backward differentiation of variable order (1 to 5) and size: for stiff problems and DAEs, large ones first.

    The numerical differentiation formulas of Klopfenstein and Shampine: with backward differences over steps of size h,

        sum_(m=1..k) (1/m) nabla^m y_(n+1) - kappa_k gamma_k (y_(n+1) - p_(n+1)) = h f(t_(n+1), y_(n+1)),

    p the extrapolation of the last k + 1 states and gamma_k the sum of 1/m; kappa lets the formulas of order 1 and 2
    take steps 26% longer than those of BDFs. It is zero for the higher orders, which it would make less stable. Orders
    1 and 2 are A-stable, orders 3, 4 and 5 up to 86, 73 and 51 degrees from the negative axis.

    The steps keep their size for order + 1 steps at least and change only for a gain of a fifth, with a table of
    differences that one small triangular matrix brings to the new size (quasi-constant steps). Against formulas with a
    fixed leading coefficient, as in CVODE, that needs no history of unequal steps and no coefficients computed from it,
    the factorisation stays good while the size does, and measured step counts are the same within a tenth or two.

    Every step solves one nonlinear system by simplified Newton iterations, on average with one or two evaluations;
    Jacobian and factorisation are kept over steps until the convergence or a change of size by a quarter asks for new
    ones: about one Jacobian in twenty steps. So it is the method where Jacobians, factorisations or evaluations are
    what costs: from some tens of unknowns on, and with `linear_solver=sj.GMRES(...)` for very large systems, where the
    products are those with the current Jacobian and only the preconditioner is kept. For a few
    unknowns `Rodas5P` is several times faster. Not for eigenvalues near the imaginary axis, where orders above 2 are
    unstable (take `BDF(order=2)`), nor for frequent discontinuities, each of which restarts at order one.

    Solves `M y' = f` with a constant, possibly singular `mass_matrix` (index one), and `ImplicitDAEProblem`. The first
    step is one of the implicit Euler method. The global error is some tens of tolerances. The method chooses its step
    size itself: of a `PIDController` only `dtmin`, `dtmax` and `tstops` count, and `factormin` where something is not
    finite. An iteration that fails with the smallest step ends in `Status.SINGULAR`.

    With `sj.FixedStep()` the order is the highest; where that is above two the first `order` steps are made by
    `Rodas5P`. The iteration is then carried to rounding and every step has its own Jacobian. A fully implicit equation
    starts at order one instead, and its error then falls as h^2. The dense output is the polynomial through the last
    order + 1 states: continuous, of the order of the method.

    A state of N numbers carries (order + 1) N numbers from step to step, which gradients record for every step.
    Derivatives are those of the discrete solution with orders and sizes as they are; they cost a new Jacobian and two
    factorisations per step, since nothing is kept between recomputed steps.

    Parameters
    ----------
    order
        The highest order, 1 to 5.
    linear_solver
        `sj.Direct()`, `sj.GMRES(...)` or None for `Direct`; a fully implicit problem needs the former.

    Raises
    ------
    ValueError
        For an order that is not an integer from 1 to 5.

    References
    ----------
    Shampine & Reichelt, The MATLAB ODE suite, SIAM J. Sci. Comput. 18 (1997) 1-22. Klopfenstein, Numerical
    differentiation formulas for stiff systems of ordinary differential equations, RCA Review 32 (1971) 447-462. Hairer
    & Wanner, Solving Ordinary Differential Equations II (1996), V.1. Hindmarsh et al., SUNDIALS, ACM TOMS 31 (2005)
    363-396.
    """

    order: int = eqx.field(static=True, default=MAX_ORDER)  # pyright: ignore[reportIncompatibleVariableOverride]
    linear_solver: Any = eqx.field(default=None, converter=checked_linear_solver)

    problem_types: ClassVar = (ODEProblem, DDEProblem, ImplicitDAEProblem)
    error_order: ClassVar[int | None] = 2
    is_implicit: ClassVar[bool] = True
    evaluations_per_step: ClassVar[int] = 2
    carries_f0: ClassVar[bool] = False
    carries_memory: ClassVar[bool] = True
    carries_scratch: ClassVar[bool] = True
    solves_mass_matrix: ClassVar[bool] = True
    counts_work: ClassVar[bool] = True

    def __check_init__(self):
        if isinstance(self.order, bool) or not isinstance(self.order, int) or not 1 <= self.order <= MAX_ORDER:
            msg = (
                f"`order` of `BDF` must be an integer from 1 to {MAX_ORDER}; got {self.order!r}. It is the highest "
                "order that the method may use: leave it out, or take 2 where the solution oscillates."
            )
            raise ValueError(msg)

    def for_problem(self, problem: Any) -> "BDF":
        """The method itself; a linear solver that does not know fully implicit problems is refused."""
        if isinstance(problem, ImplicitDAEProblem) and not isinstance(self.linear_solver, (Direct, type(None))):
            msg = (
                "`BDF` solves an `ImplicitDAEProblem` with dense linear algebra only; got "
                f"`linear_solver={self.linear_solver!r}`. Leave it out, or state the problem with a mass matrix."
            )
            raise ValueError(msg)
        return self

    def begin(self, system: Any, t0: Any, y0: tuple) -> Differences:
        """The slope at a start and nothing else; costs one evaluation."""
        slope = start_slope(system, t0, y0)
        # As in `VCABM`: when t0 moves, the solution moves as if y0 did by `-y' dt0`. XLA makes the evaluation once.
        slope = start_slope(system, lax.stop_gradient(t0), as_if_moved(y0, slope, t0))
        nothing = tuple(jnp.zeros_like(leaf) for leaf in y0)
        one, zero = jnp.ones_like(t0), jnp.zeros_like(t0)
        return Differences((slope,) + (nothing,) * self.order, one, one, zero, one, zero)

    def begin_scratch(self, system: Any, t0: Any, y0: tuple) -> Any:
        """Nothing known about the Jacobian."""
        return empty_scratch(system, t0, y0)

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, memory: Any = None) -> Step:
        """Advance `y` from `ta` to `tb`."""
        is_first, order = lax.stop_gradient(memory.is_first) > 0, lax.stop_gradient(memory.order)
        y, late = _held_at_start(is_first, ta, y, memory.table[0])
        h = tb - (ta - late)
        ratio = h / memory.h
        is_equal = jnp.abs(lax.stop_gradient(ratio) - 1) <= EQUAL
        table = rescaled(memory.table[:-1], ratio, order)
        # The first step is one of the implicit Euler method, which sees the slope in its prediction only.
        alpha = jnp.where(is_first, 1.0, pick(ALPHA, order)).astype(order.dtype)
        known = [jnp.where(order >= j + 1, 1.0, 0.0).astype(order.dtype) for j in range(self.order)]
        predicted = lax.optimization_barrier(linear_combination(y, None, known, table))
        weights = [use * -gamma / alpha for use, gamma in zip(known, GAMMA, strict=False)]
        base = lax.optimization_barrier(linear_combination(predicted, None, weights, table))
        slope = None
        if system.is_fully_implicit:
            slope = linear_combination(None, alpha / h, (1.0,), [tuple(a - b for a, b in zip(predicted, base))])
        kept, work = prepare(system, ta, y, h / alpha, slope)
        used = _at_prediction(system, kept, tb, h / alpha, predicted)
        y1, solved, started = self._solved(system, ta, tb, y, memory.equal, (base, h / alpha, predicted, used))
        y1 = lax.optimization_barrier(y1)
        correction = tuple(a - b for a, b in zip(y1, predicted, strict=True))
        new = advanced(table, correction)
        found = lax.stop_gradient(estimates(system, order, memory.table, new, y, y1))
        converged = solved.converged > 0
        attempt = Attempt(is_equal, converged, is_fresh(kept, ta), system.has_fixed_steps)
        decision = decide(memory, found, self.order, attempt)
        weight = pick(ERROR, order) * decision.weight
        return Step(
            y1,
            linear_combination(None, None, (weight,), [lax.stop_gradient(correction)]),
            None,
            self._dense(y, y1, new, order, is_first, late / h, started),
            memory=decision.after_success._replace(table=new, h=h),
            error_order=order + 1,
            retry=decision.after_failure,
            work=work._replace(vector_field=solved.iterations, jvp=work.jvp + solved.products),
            factor=decision.factor,
            scratch=handed_on(kept, ta, solved),
            unsolved=~converged & jnp.isfinite(found.here),
        )

    def _solved(self, system, ta, tb, y, equal, stage):
        """The state at `tb`, how that was found, and the differences of an interpolant where a Rosenbrock step did it.

        That is for the first of fixed steps that are to have a high order.
        """

        def regular(system, ta, tb, y, stage):
            del ta
            base, scale, predicted, kept = stage
            y1, solved = solve_stage(system, tb, base, scale, predicted, kept, accuracy=ACCURACY)
            nothing = tuple(jnp.zeros_like(leaf) for leaf in y)
            return y1, solved, (nothing,) * (self._degree - 1)

        def start(system, ta, tb, y, stage):
            step, scale = Rodas5P().step(system, ta, tb, y), stage[1]
            one = jnp.ones_like(scale, jnp.finfo(y[0].dtype).dtype)
            differences = as_differences(step.dense[2], self._degree - 1)
            return step.y1, Solved(one, Rodas5P.evaluations_per_step * one, one, 0 * one), differences

        starts = system.has_fixed_steps and not system.is_fully_implicit and self.order > 2
        if not starts:
            return (*regular(system, ta, tb, y, stage)[:2], None)
        is_starting = lax.stop_gradient(equal) < self.order
        y1, solved, differences = system.choose(is_starting, start, regular, ta, tb, y, stage)
        return y1, solved, (is_starting, differences)

    @property
    def _degree(self) -> int:
        """Degree of the interpolant at the highest order; the first step has two in any case."""
        return max(self.order, 2)

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """The polynomial through the last `order + 1` states; exact at both ends."""
        y, y1, differences, late = dense
        fraction = fraction + (1 - fraction) * late
        s = fraction - 1
        weights, product = [], s
        for j in range(2, len(differences) + 2):
            product = product * (s + (j - 1)) / j
            weights.append(product)
        line = linear_combination(y, None, (fraction,), [tuple(b - a for a, b in zip(y, y1, strict=True))])
        return linear_combination(line, None, weights, differences) if weights else line

    def _dense(self, y, y1, new, order, is_first, late, started):
        """The ends of the step, the differences from the second on, and by how much it begins later than they say."""
        pick = lambda where, a, b: tuple(jnp.where(where, x, z) for x, z in zip(a, b, strict=True))
        nothing = tuple(jnp.zeros_like(leaf) for leaf in y)
        differences = [pick(order >= j, new[j - 1], nothing) for j in range(2, self._degree + 1)]
        # The first step knows the slope at its beginning.
        differences[0] = pick(is_first, tuple(2 * leaf for leaf in new[-1]), differences[0])
        if started is not None:
            differences = [pick(started[0], *pair) for pair in zip(started[1], differences, strict=True)]
        return y, y1, tuple(differences), late


def _held_at_start(is_first: Any, ta: Any, y: tuple, slope: tuple) -> tuple[tuple, Any]:
    """The state, and zero, which move with `ta` in the first step as if that began at a time that stays."""
    moved = as_if_moved(y, slope, ta)
    late = jnp.where(is_first, ta - lax.stop_gradient(ta), 0)
    return tuple(jnp.where(is_first, a, b) for a, b in zip(moved, y, strict=True)), late


def _at_prediction(system: Any, kept: Kept, tb: Any, scale: Any, predicted: tuple) -> Kept:
    """What the iteration uses of `kept`: products with a Jacobian that is never formed are taken at the prediction.

    They cost the same anywhere. Only the preconditioner is old, which costs the linear solver iterations and not the
    Newton iteration its rate: the last rate holds whenever the preconditioner was renewed.
    """
    if not isinstance(system.with_jacobian(kept.jacobian), KrylovLinearisation):
        return kept
    tb, scale, predicted = lax.stop_gradient((tb, scale, predicted))
    made, shift = kept.factors
    rate = kept.rate if system.scratch is None else system.scratch.rate
    factors, jacobian = (made, (1.0 / scale).astype(shift.dtype)), (tb, predicted, kept.jacobian[2])
    return kept._replace(jacobian=jacobian, factors=factors, scale=scale, rate=rate)
