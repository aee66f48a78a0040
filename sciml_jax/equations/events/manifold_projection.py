"""Projection of the state onto a manifold after every step."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ...core.callables import as_callable
from ...core.tree import describe
from ...numerics.linear_solve import factorised_solver
from ..consistent_newton import root_near
from ..engine.flat import concatenate, split_like
from .abstract import AbstractEvent, Trigger


class ManifoldProjection(AbstractEvent):
    """Return to `residual(t, y, args) = 0` after every step: conserved quantities, constraints, unit quaternions.

    With `g` the residual and `G` its Jacobian at the end `y` of a step, the state goes on from
    `y + G^T l`, `l` such that `g(t, y + G^T l) = 0`: to first order the nearest point of the manifold. The order of the
    method is kept, since the distance is of the size of the local error; a drift away from the manifold is not.

    Parameters
    ----------
    residual
        `g(t, y, args)`, a float array or pytree of them, m numbers in all, fewer than the state has. They must be
        independent: `G` of full rank along the solution. The initial state must satisfy them; otherwise the first step
        moves it.

    Raises
    ------
    TypeError, ValueError
        For a residual that is not callable, not real, or has as many numbers as the state or more.

    Notes
    -----
    Differentiable to any order, by the implicit function theorem for `l`.

    Statuses: where the iteration fails, as with dependent residuals, the solve ends with `NON_FINITE`.

    Cost: one Jacobian `G` (n products in forward mode), and two to four small Newton iterations with m x m systems per
    step. Every step begins a new arc: explicit methods evaluate the vector field once more, multistep methods (`VCABM`,
    `BDF`) start again and lose their order, so do not use those. A state that is moved over the root of another event's
    condition does not trigger it.

    Not for invariants that the method keeps anyway (linear ones; quadratic ones with symplectic methods), nor in place
    of a `DAEProblem`: the vector field itself must have the manifold as an invariant.

    References
    ----------
    Hairer, Lubich & Wanner, Geometric Numerical Integration (2006), IV.4; Eich, Convergence results for a coordinate
    projection method, SIAM J. Numer. Anal. 30 (1993) 1467-1482.
    """

    residual: Callable

    def __init__(self, residual: Callable):
        self.residual = as_callable(residual, "residual", "t", "y", "args")

    def as_trigger(self, problem: Any) -> Trigger:
        """See `AbstractEvent`."""
        out = eqx.filter_eval_shape(self.residual, jnp.asarray(problem.t0, float), problem.y0, problem.args)
        parts, leaves = jax.tree_util.tree_leaves(out), jax.tree_util.tree_leaves(problem.y0)
        if any(not jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in (*parts, *leaves)) or not parts:
            msg = (
                f"`residual(t, y, args)` and the state must be real floats; got {describe(out)} for a state of "
                f"{describe(problem.y0)}. Return `jnp.stack([...])` of what is to vanish."
            )
            raise TypeError(msg)
        numbers, size = sum(leaf.size for leaf in parts), sum(leaf.size for leaf in leaves)
        if numbers >= size:
            msg = (
                "`residual(t, y, args)` must have fewer numbers than the state, which else could not move; got "
                f"{numbers} for a state of {size}. Return one number per conserved quantity."
            )
            raise ValueError(msg)
        return Trigger(condition=Always(), at_steps=True, affect=_Projection(self.residual), max_triggers=None)


class Always(eqx.Module):
    """A condition that holds after every step."""

    def __call__(self, t: Any, y: Any, args: Any) -> Any:
        """True."""
        return jnp.array(True)


class _Projection(eqx.Module):
    """The affect: the projected state."""

    residual: Callable

    def __call__(self, t: Any, y: Any, args: Any) -> Any:
        leaves, tree = jax.tree_util.tree_flatten(y)
        flat = concatenate(leaves)

        def residual(flat):
            out = self.residual(t, jax.tree_util.tree_unflatten(tree, split_like(flat, tuple(leaves))), args)
            return concatenate(jax.tree_util.tree_leaves(out)).astype(flat.dtype)

        jacobian = jax.jacfwd(residual)(flat)
        solve = factorised_solver(jacobian @ jacobian.T)
        # In units of the residual, so that Newton's matrix is about the identity.
        moved = lambda l: flat - jacobian.T @ solve(l)
        typical = jnp.max(jnp.abs(jacobian) @ jnp.abs(flat))
        l, converged = root_near(lambda l: residual(moved(l)), jnp.zeros_like(residual(flat)), typical)
        flat = jnp.where(converged, moved(l), jnp.nan)
        return jax.tree_util.tree_unflatten(tree, split_like(flat, tuple(leaves)))
