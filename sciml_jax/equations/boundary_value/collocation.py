"""Collocation of order 4 on a mesh that moves."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ...core.status import Status
from ...numerics.loops import vary_like, while_loop
from ..solution import Solution, Stats
from .block_elimination import Blocks, block_solver
from .common import AbstractBoundaryValueMethod, check_count, solve_boundary_value
from .equations import Fixed, FlatEquations, Operands, node_times
from .mesh import better_residual, carry_over, link_residual, middle_of, spread_evenly
from .newton import NOT_CONVERGED, Evaluated, Found, as_floats, newton, search_stats
from .problem import BVProblem
from .saving import CubicPieces, Saved, hermite, unflatten


class CollocationStats(Stats):
    """Counts of the work, and the error. A Jacobian is that of all nodes; each mesh takes one for the estimate too."""

    num_meshes: Int[Array, ""]
    """Meshes on which the equations were solved."""
    error_estimate: Float[Array, ""]
    """The largest estimated error at a node, in units of the tolerance; NaN where none was made."""


class CollocationOutcome(NamedTuple):
    """What a search found beside the solution."""

    found: Found
    fractions: Any
    """The mesh, as fractions of the interval, shape (N + 1,)."""
    error: Any
    num_meshes: Any


class Collocation(AbstractBoundaryValueMethod):
    """A piecewise cubic that satisfies the equation at the ends and the middle of each of N intervals; order 4.

    `y_(i+1) - y_i = h/6 (f_i + 4 f_m + f_(i+1))`, the three-stage Lobatto IIIA formula, solved for all nodes together
    by Newton's method with damping. Growing and decaying modes are treated alike: the method for stiff problems and
    layers, and the default.

    The error of the solution (not a residual) is estimated: the residual of a formula of order 6, put through the
    linearised equations. While its largest entry is above `atol + rtol max|y|`, the maximum over the nodes and for each
    component separately, the N + 1 nodes move to where it is made, up to `max_moves` times. If it stays above, the
    status is a failure: take more intervals or looser tolerances. N itself stays what was asked for: shapes in a
    compiled program are fixed, so a coarse mesh would cost as much as the finest one that is allowed.

    `sol(t)` and saved values between nodes are the cubic's, also of order 4 but not covered by the estimate.
    Derivatives are those of the discrete solution on the final mesh.

    Cost: an iteration takes 2 N Jacobians of the vector field and about 20 N n^3 flops, all intervals at once. Memory:
    8 N n^2. Statuses: `NOT_CONVERGED` (no convergence from this guess, or the mesh is too coarse; compare
    `sol.stats.error_estimate` with 1), `SINGULAR` (the conditions do not determine the solution), `NON_FINITE` (the
    vector field at the guess).

    For smooth problems and tight tolerances `sj.MultipleShooting` with a method of high order takes fewer intervals.

    Parameters
    ----------
    num_intervals
        N. The error falls with its fourth power.
    max_moves
        How often the mesh may move; 0 keeps it uniform.
    max_iterations
        Bound on Newton's iterations on each mesh.

    References
    ----------
    Kierzenka & Shampine, A BVP solver based on residual control and the MATLAB PSE, ACM Trans. Math. Softw. 27 (2001)
    299-316 (the formula); Cash & Wright, A deferred correction method for nonlinear two-point boundary value problems,
    SIAM J. Sci. Stat. Comput. 12 (1991) 971-989 (the estimate).
    """

    num_intervals: int = eqx.field(static=True, default=256)
    max_moves: int = eqx.field(static=True, default=10)
    max_iterations: int = eqx.field(static=True, default=50)

    def __check_init__(self):
        check_count(self.num_intervals, "num_intervals", 1)
        check_count(self.max_moves, "max_moves", 0)
        check_count(self.max_iterations, "max_iterations", 1)

    @property
    def num_guess(self) -> int:
        """See `AbstractBoundaryValueMethod`."""
        return self.num_intervals + 1

    def solve(
        self,
        problem: BVProblem,
        *,
        saveat: Any = None,
        rtol: Any = None,
        atol: Any = None,
        adjoint: Any = None,
        key: Any = None,
        on_failure: str = "raise",
    ) -> Solution:
        """Solve a boundary value problem; see `sj.solve` for the options."""
        del key
        return solve_boundary_value(problem, self, saveat, rtol, atol, adjoint, on_failure)

    def discretise(self, equations: FlatEquations, max_steps: int) -> "_CollocationEquations":
        """See `AbstractBoundaryValueMethod`."""
        del max_steps
        return _CollocationEquations(self, equations)

    def read(
        self, discretisation: Any, operands: Operands, fixed: Fixed, y: Any, outcome: Any, wanted: Saved
    ) -> tuple[Any, Any, Any, Any]:
        """See `AbstractBoundaryValueMethod`."""
        equations, nodes = discretisation.equations, node_times(operands, outcome.fractions)
        ends = unflatten(equations.layout, y[0]), unflatten(equations.layout, y[-1])
        if wanted.ts is None and not wanted.saveat.dense:
            return *wanted.collect(*ends, lambda _: None), ends[1], None
        slopes = equations.field_at(operands, fixed)(nodes, y)
        at = lambda t: unflatten(equations.layout, hermite(nodes, y, slopes, t))
        dense = CubicPieces(nodes, y, slopes, equations.layout) if wanted.saveat.dense else None
        return *wanted.collect(*ends, jax.vmap(at)), ends[1], dense

    def stats(self, discretisation: Any, outcome: Any, t1: Any) -> CollocationStats:
        """See `AbstractBoundaryValueMethod`."""
        counts, meshes = search_stats(outcome.found, t1), outcome.num_meshes.astype(jnp.int32)
        factorisations = counts["num_factorisation"] + meshes
        products = factorisations * ((2 * self.num_intervals + 1) * discretisation.equations.size)
        counts |= {"num_jacobian": factorisations, "num_factorisation": factorisations, "num_jvp": products}
        return CollocationStats(**counts, num_meshes=meshes, error_estimate=outcome.error)


class _Mesh(NamedTuple):
    fractions: Any


class _Round(NamedTuple):
    """A mesh and the solution on it."""

    number: Any
    fractions: Any
    y: Any
    found: Found
    error: Any
    ended: Any


class _CollocationEquations:
    def __init__(self, options: Collocation, equations: FlatEquations):
        self.options = options
        self.equations = equations

    def find(self, operands: Operands, fixed: Fixed) -> tuple[Any, CollocationOutcome]:
        count = self.options.num_intervals + 1
        fractions = jnp.linspace(0, 1, count, dtype=operands.t0.dtype)
        zero = jnp.int32(0)
        unknown = jnp.full((), jnp.nan, fixed.guess.dtype)
        init = _Round(zero, fractions, fixed.guess, Found(zero, zero, zero, zero), unknown, jnp.array(False))
        going = lambda carry: ~carry.ended & (carry.number <= self.options.max_moves)
        last = while_loop(going, lambda carry: self._next(operands, fixed, carry), init, operands, fixed)
        status = jnp.where(last.ended, last.found.status, jnp.int32(NOT_CONVERGED))
        y = jnp.where(status == Status.SUCCESS, last.y, fixed.guess)
        found = as_floats(last.found._replace(status=status), y)
        return y, CollocationOutcome(found, last.fractions, last.error, last.number.astype(y.dtype))

    def _next(self, operands: Operands, fixed: Fixed, at: _Round) -> _Round:
        """Solve on a mesh; move it, and take the solution along, unless that was good enough or failed."""
        y, found = self._solve_on(operands, fixed, at.fractions, at.y)
        field, nodes = self.equations.field_at(operands, fixed), node_times(operands, at.fractions)
        tolerance = _tolerance(fixed, y)
        local = better_residual(field, nodes, y)
        ends = self.equations.ends_at(operands, fixed)(y[0], y[-1])
        moved = block_solver(self.blocks(operands, fixed, at, y))(jnp.concatenate([local, ends[None]]))
        error = jnp.max(jnp.abs(moved) / tolerance)
        total = Found(found.status, *(a + b for a, b in zip(at.found[1:], found[1:], strict=True)))
        ended = (error <= 1.0) | (found.status != Status.SUCCESS)
        fractions = spread_evenly(at.fractions, jnp.max(jnp.abs(local) / tolerance, axis=1))
        carried = carry_over(nodes, y, field(nodes, y), node_times(operands, fractions))
        is_last = ended | (at.number >= self.options.max_moves)
        fractions, y = jnp.where(is_last, at.fractions, fractions), jnp.where(is_last, y, carried)
        return vary_like(_Round(at.number + 1, fractions, y, total, error, ended), at)

    def _solve_on(self, operands: Operands, fixed: Fixed, fractions: Any, guess: Any) -> tuple[Any, Found]:
        mesh = _Mesh(fractions)
        work = jnp.int32(2 * self.options.num_intervals + 1)

        def evaluate(y):
            return Evaluated(self.residual(operands, fixed, mesh, y), jnp.int32(Status.SUCCESS), work)

        linearise = lambda y: block_solver(self.blocks(operands, fixed, mesh, y))
        tolerance = lambda y: _tolerance(fixed, y)
        return newton(evaluate, linearise, tolerance, guess, self.options.max_iterations, operands, fixed, fractions)

    def residual(self, operands: Operands, fixed: Fixed, mesh: Any, y: Any) -> Any:
        field, nodes = self.equations.field_at(operands, fixed), node_times(operands, mesh.fractions)
        ends = self.equations.ends_at(operands, fixed)(y[0], y[-1])
        return jnp.concatenate([link_residual(field, nodes, y), ends[None]])

    def blocks(self, operands: Operands, fixed: Fixed, mesh: Any, y: Any) -> Blocks:
        equations, nodes = self.equations, node_times(operands, mesh.fractions)
        field = lambda t, y: equations.vector_field(operands.field, fixed.field_consts, t, y)
        jacobians = jax.vmap(jax.jacfwd(field, 1))
        h, middle, inner = middle_of(nodes, y, equations.field_at(operands, fixed)(nodes, y))
        at_nodes, at_middle, h = jacobians(nodes, y), jacobians(middle, inner), h[:, :, None]
        a, b = at_nodes[:-1], at_nodes[1:]
        identity = jnp.eye(y.shape[1], dtype=y.dtype)
        through = lambda inner: jnp.einsum("pij,pjk->pik", at_middle, inner, precision=jax.lax.Precision.HIGHEST)
        left = -identity - h / 6 * (a + 4 * through(identity / 2 + h / 8 * a))
        right = identity - h / 6 * (b + 4 * through(identity / 2 - h / 8 * b))
        first, last = jax.jacfwd(equations.ends_at(operands, fixed), (0, 1))(y[0], y[-1])
        return Blocks(left, right, first, last)


def _tolerance(fixed: Fixed, y: Any) -> Any:
    """What errors are measured by, shape (n,): the largest value of each component counts."""
    return fixed.atol + fixed.rtol * jnp.max(jnp.abs(y), axis=0) + jnp.finfo(y.dtype).tiny
