"""Derivatives of steady states by the implicit function theorem."""

from collections.abc import Callable

import equinox as eqx
import jax

from ...numerics.linear_solve import factorised_solver
from .derivative_rule import no_tangent


class ImplicitAdjoint(eqx.Module):
    """Differentiate a steady state `f(y, theta) = 0` by `dy = -(df/dy)^-1 (df/dtheta) dtheta`.

    The only adjoint of `sj.SteadyStateProblem`, and its default. How the state was found does not matter and is not
    differentiated; derivatives with respect to the initial guess are zero. At a state that is not converged the
    formula has a relative error of the size of the state's.

    Cost: one Jacobian and one factorisation, O(n^3), then one solve per tangent or cotangent. Memory: n^2. Both modes,
    to any order, under `vmap`, `jit` and `shard_map`. Not for singular Jacobians: with a conserved quantity the steady
    state is not unique, and derivatives are not finite; replace an equation by the conservation law.

    References
    ----------
    Krantz & Parks, The Implicit Function Theorem (2013).
    """

    def root(self, find: Callable, residual: Callable) -> Callable:
        """`(theta, fixed) -> (y, info)`, differentiable with respect to `theta`.

        Parameters
        ----------
        find
            `(theta, fixed) -> (y, info)`: the state, a vector of shape (n,), and arrays without derivatives.
        residual
            `(theta, fixed, y) -> f`, shape (n,).
        """

        @jax.custom_jvp
        def root(theta, fixed):
            return find(theta, fixed)

        @root.defjvp
        def rule(primals, tangents):
            theta, fixed = primals
            y, info = root(theta, fixed)
            matrix = jax.jacfwd(lambda y: residual(theta, fixed, y))(y)
            moved = jax.jvp(lambda theta: residual(theta, fixed, y), (theta,), (tangents[0],))[1]
            return (y, info), (-factorised_solver(matrix)(moved), no_tangent(info))

        return root
