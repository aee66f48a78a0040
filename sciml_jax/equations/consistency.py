"""Consistent initial values for differential-algebraic equations: the algebraic variables are solved for."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from ..core.callables import captured_values, closes_over_tracer
from ..core.checks import check_instance
from ..core.status import SolveError, Status
from ..core.tree import Static, combine, is_concrete, partition
from ..numerics.loops import vary_like
from ..numerics.row_reduction import product, row_reduce
from .consistent_newton import largest, root_near
from .dae import DAEProblem
from .engine.algebraic import dense_mass
from .engine.flat import concatenate, split_like
from .engine.linearisation import Mass
from .inconsistency import explain
from .mass_matrix import as_mass_matrix
from .problem import ODEProblem


def find_consistent(problem: ODEProblem) -> ODEProblem:
    """The problem with initial values that satisfy its algebraic equations.

    Of `M y' = f(t, y, args)` with a singular M, the equations `N f(t, y, args) = 0` are algebraic, N being the left
    null space of M. This solves them at t0 together with `M y = M y0`: the differential variables stay, and the
    algebraic ones start from their values in `y0`. Of a `DAEProblem` it solves `algebraic(t0, y, z, args) = 0` for z,
    as `sj.solve` does on its own.

    Parameters
    ----------
    problem
        An `ODEProblem` with `mass_matrix`, or a `DAEProblem`. Without algebraic equations it is returned as it is.

    Returns
    -------
    ODEProblem
        The same problem with another `y0`. Differentiable in `y0`, `t0` and `args` by the implicit function theorem, in
        both modes, through third derivatives.

    Raises
    ------
    TypeError
        For a problem of another kind; a fully implicit one needs a consistent slope as well.
    SolveError
        If Newton's method does not converge and the values are concrete: `SINGULAR` where the equations do not
        determine the algebraic variables (index above one), else `INCONSISTENT`. Traced values come back as they were,
        and `sj.solve` then ends with that status.

    Notes
    -----
    Newton's method with a monotonicity test, at most 50 iterations, each with one dense Jacobian (n forward
    derivatives) and one factorisation: for up to some thousand unknowns. Where the equations have several solutions,
    `y0` chooses. Works under `jit`, `vmap` and `shard_map`.

    References
    ----------
    Brown, Hindmarsh & Petzold, Consistent initial condition calculation for differential-algebraic systems, SIAM J.
    Sci. Comput. 19 (1998) 1495-1512; Deuflhard, Newton Methods for Nonlinear Problems (2011), 3.3.
    """
    check_instance(problem, ODEProblem, "problem", "sj.ODEProblem(..., mass_matrix=M)")
    mass = as_mass_matrix(problem.mass_matrix, problem.y0)
    if mass is None or mass.is_regular:
        return problem
    dynamic, static = partition(eqx.tree_at(lambda p: p.mass_matrix, problem, mass))
    config = Static((static, captured_values(problem.vector_field)))
    if closes_over_tracer(problem.vector_field):
        y0, converged = jax.jit(functools.partial(_solved, config))(dynamic)
    else:
        y0, converged = _compiled(config, dynamic)
    if is_concrete((y0, converged)) and not bool(jnp.all(converged)):
        status, detail = explain(problem)
        raise SolveError(Status.INCONSISTENT if status is None else status, None, detail)
    return eqx.tree_at(lambda p: p.y0, problem, y0)


def _solved(config: Static, dynamic: Any) -> tuple[Any, Any]:
    """A consistent state, and whether Newton's method converged."""
    problem = combine(vary_like(dynamic, dynamic), config.tree[0])
    if isinstance(problem, DAEProblem):
        problem, converged = problem.solved_for_z()
        return problem.y0, converged
    mass = problem.mass_matrix
    leaves, tree = jax.tree_util.tree_flatten(problem.y0)
    given = concatenate(leaves)
    matrix = dense_mass(Mass(mass.values, mass.rows, mass.columns, mass.size)).astype(given.dtype)
    reduction = row_reduce(lax.stop_gradient(matrix))

    def residual(flat: Any) -> Any:
        y = jax.tree_util.tree_unflatten(tree, split_like(flat, tuple(leaves)))
        out = problem.vector_field(jnp.asarray(problem.t0), y, problem.args)
        slopes = concatenate(jax.tree_util.tree_leaves(out)).astype(flat.dtype)
        kept = product(reduction.transform, product(matrix, flat - given))
        return jnp.where(reduction.is_dependent, product(reduction.transform, slopes), kept)

    flat, converged = root_near(residual, given, largest(problem.y0))
    return jax.tree_util.tree_unflatten(tree, split_like(flat, tuple(leaves))), converged


_compiled = jax.jit(_solved, static_argnums=0)
