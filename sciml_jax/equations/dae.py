"""Semi-explicit differential-algebraic equations: `y' = f(t, y, z, args)`, `0 = g(t, y, z, args)`."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..core.callables import as_callable
from ..core.checks import check_finite_tree, check_inexact_tree
from ..core.tree import describe
from .consistent_newton import largest, root_near
from .engine.flat import concatenate, split_like
from .mass_matrix import MassMatrix
from .problem import ODEProblem


class DAEProblem(ODEProblem):
    """Differential equations `y' = f(t, y, z, args)` with algebraic ones, `0 = g(t, y, z, args)`, from `t0` to `t1`.

    The index must be one: dg/dz regular, so that g determines z. It is the `ODEProblem` of the pair `(y, z)` with the
    mass matrix diag(1, ..., 1, 0, ..., 0): the methods that take one solve it (`sj.Rodas5P`, the default up to 100
    unknowns, and `sj.BDF`, the default above, among them), and states in solutions are pairs, `ys, zs = sol.ys`.

    Parameters
    ----------
    differential
        `f(t, y, z, args) -> dy/dt`: `t` a scalar; the result a pytree with the structure and shapes of y.
    algebraic
        `g(t, y, z, args)`, zero along the solution: a pytree with the structure and shapes of z. Both are functions,
        Equinox modules or `jax.tree_util.Partial`s; they may close over traced values.
    y0
        Initial value of the differential variables: a pytree of float arrays.
    z0
        A guess for the algebraic variables at t0: a pytree of float arrays. The solve starts from the z near it with
        `g(t0, y0, z, args) = 0`; where several exist, the guess chooses.
    t0, t1
        The ends of the interval, real scalars; `t1 < t0` integrates backwards.
    args
        Any pytree, handed to both functions.
    sparsity
        The pattern of the Jacobian of (f, g) with respect to (y, z), as for `ODEProblem`.

    Raises
    ------
    TypeError, ValueError
        For integer states, `t0 == t1`, values that are not finite, functions that are not callable with four arguments,
        or results that do not match y and z.

    Notes
    -----
    z0 is replaced inside the solve (Newton's method with a dense dg/dz, 50 iterations at most), and derivatives with
    respect to y0, t0 and args pass through that by the implicit function theorem; z0 itself has no derivative. Where
    the search fails, the solve ends with `Status.INCONSISTENT`; where dg/dz is singular, an index above one, with
    `Status.SINGULAR`: differentiate the constraint by hand first, or see `sj.RadauIIA5`. To check given values instead
    of solving for them, state the problem as `ODEProblem(..., mass_matrix=...)`.

    A frozen pytree: it can be an argument of `jit`, `vmap` and `grad`, and be changed with `equinox.tree_at`.

    References
    ----------
    Hairer & Wanner, Solving Ordinary Differential Equations II (1996), VI.1.
    """

    def __init__(
        self,
        differential: Callable,
        algebraic: Callable,
        y0: PyTree,
        z0: PyTree,
        t0: Any,
        t1: Any,
        args: PyTree = None,
        *,
        sparsity: Any = None,
    ):
        functions = (differential, "differential"), (algebraic, "algebraic")
        field = SemiExplicit(*(as_callable(function, name, "t", "y", "z", "args") for function, name in functions))
        for half, name in ((y0, "y0"), (z0, "z0")):
            check_inexact_tree(half, name)
            check_finite_tree(half, name)
        super().__init__(field, (y0, z0), t0, t1, args, sparsity=sparsity)
        sizes = [sum(leaf.size for leaf in jax.tree_util.tree_leaves(half)) for half in self.y0]
        dtype = jnp.result_type(*jax.tree_util.tree_leaves(self.y0))
        places = tuple(range(sizes[0]))
        # By its places, so that the zeros are known where the problem itself is traced.
        self.mass_matrix = MassMatrix(np.ones(sizes[0], dtype), places, places, sum(sizes))

    @property
    def differential(self) -> Callable:
        """The right-hand side `f(t, y, z, args)` of the differential equations."""
        return self.vector_field.differential

    @property
    def algebraic(self) -> Callable:
        """The left-hand side `g(t, y, z, args)` of the algebraic equations."""
        return self.vector_field.algebraic

    def solved_for_z(self) -> tuple["DAEProblem", Any]:
        """The problem with z0 from `g(t0, y0, z0, args) = 0`, and whether Newton's method converged."""
        y, guess = self.y0
        leaves, tree = jax.tree_util.tree_flatten(guess)

        def residual(flat: Any) -> Any:
            z = jax.tree_util.tree_unflatten(tree, split_like(flat, tuple(leaves)))
            g = self.algebraic(jnp.asarray(self.t0), y, z, self.args)
            check_matching(g, guess, "algebraic", "z")
            return concatenate(jax.tree_util.tree_leaves(g)).astype(flat.dtype)

        flat, converged = root_near(residual, concatenate(leaves), largest(self.y0))
        z0 = jax.tree_util.tree_unflatten(tree, split_like(flat, tuple(leaves)))
        return eqx.tree_at(lambda p: p.y0[1], self, z0), converged

    def at_consistent_start(self) -> "DAEProblem":
        """What a solve integrates."""
        return self.solved_for_z()[0]


class SemiExplicit(eqx.Module):
    """The vector field `(t, (y, z), args) -> (f, g)`."""

    differential: Callable
    algebraic: Callable

    def __call__(self, t: Any, state: tuple, args: PyTree) -> tuple:
        """Both right-hand sides, checked against the halves of the state."""
        y, z = state
        f, g = self.differential(t, y, z, args), self.algebraic(t, y, z, args)
        check_matching(f, y, "differential", "y")
        check_matching(g, z, "algebraic", "z")
        return f, g


def check_matching(out: Any, half: Any, name: str, variable: str) -> None:
    """Refuse a result that does not have the structure and shapes of its half of the state."""
    structures = [jax.tree_util.tree_structure(tree) for tree in (out, half)]
    shapes = [[jnp.shape(leaf) for leaf in jax.tree_util.tree_leaves(tree)] for tree in (out, half)]
    if structures[0] != structures[1] or shapes[0] != shapes[1]:
        msg = (
            f"`{name}(t, y, z, args)` must return the structure and shapes of {variable}, {describe(half)}; got "
            f"{describe(out)}. Return one equation for every number of {variable}."
        )
        raise ValueError(msg)
