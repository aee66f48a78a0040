"""The continuous adjoint with the parameter integral by Gauss quadrature."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...numerics.loops import while_loop
from ..saveat import SaveAt
from .backward_pass import Forward, Sweep, field_operands, vector_field
from .continuous import AbstractContinuousAdjoint
from .interpolating import integrate_with_trajectory
from .trajectory import state_at

NUM_NODES = 4
"""Nodes in each step of the adjoint solve; the rule is exact for polynomials of degree 7."""


class Gauss(AbstractContinuousAdjoint):
    """Differentiate by the adjoint equation, the parameter integral by quadrature. For many parameters, and if stiff.

    Integrates only `lambda' = -(df/dy)^T lambda` from `t1` to `t0`, with `y(t)` from the forward solve's interpolants,
    then computes `dL/dtheta = int (df/dtheta)^T lambda dt` by the four-point Gauss-Legendre rule in each accepted step
    of that solve. An implicit method so solves systems of n unknowns, whatever the number p of parameters, and p
    enters only through four transposed products per step. The quadrature is not under error control.

    The derivative is that of the exact solution to within the tolerances (and the accuracy of the interpolants), not
    that of the numbers returned: tighten both where an optimiser needs more digits.

    Cost: one solve backwards for n numbers. Memory: twice `max_steps` interpolants, each the state times the number of
    stages. Reverse mode, `vmap`, `shard_map` and `hessian` work; `jvp` and `jacfwd` do not. Saved at given times
    only. `max_steps` must be a number.

    Parameters
    ----------
    rtol, atol, method, max_steps
        As for `Interpolating`.

    Raises
    ------
    ValueError
        For `SaveAt(steps=...)`, `SaveAt(dense=True)` and `max_steps=None`.

    References
    ----------
    Norcliffe & Deisenroth, Faster training of neural ODEs using Gauss-Legendre quadrature, TMLR (2023).
    """

    def forward(self, plan: Any, operands: Any, settings: Any) -> tuple[Any, tuple, Any]:
        """See `AbstractContinuousAdjoint`."""
        return integrate_with_trajectory(plan, operands, settings)

    def state(self, plan: Any, forward: Forward, sweep: Sweep) -> tuple:
        """See `AbstractContinuousAdjoint`."""
        return state_at(plan.method, forward.kept, sweep.t)

    def interval(self, plan: Any, forward: Forward, sweep: Sweep, end: Any) -> Sweep:
        """See `AbstractContinuousAdjoint`."""
        theta, field = field_operands(plan, forward), vector_field(plan, forward)

        def backward(t, state, args):
            y = state_at(plan.method, forward.kept, t)
            pull = jax.vjp(lambda y: field(t, y, theta), y)[1]
            return jax.tree_util.tree_map(lambda leaf: -leaf, pull(state)[0])

        options = {} if not theta else {"saveat": SaveAt(t1=True, dense=True)}
        solution = self.solve(plan, forward, backward, sweep.adjoint, sweep, end, **options)
        total = sweep.theta
        if theta:
            total = _quadrature(plan, forward, field, solution.dense, theta, total[: len(theta)]) + total[len(theta) :]
        return sweep._replace(adjoint=solution.y1, theta=total, h=solution.stats.h_last)


def _quadrature(plan, forward, field, dense, theta, total):
    """Add `int (df/dtheta)^T lambda dt`, step by step of the adjoint solve."""
    nodes, weights = np.polynomial.legendre.leggauss(NUM_NODES)
    dtype = dense.starts.dtype
    nodes, weights = jnp.asarray((nodes + 1) / 2, dtype), jnp.asarray(weights / 2, dtype)

    def panel(carry):
        index, total = carry
        ta, tb = dense.starts[index], dense.ends[index]
        piece = jax.tree_util.tree_map(lambda leaf: leaf[index], dense.pieces)
        times = ta + nodes * (tb - ta)
        # Steps run from t1 to t0; the integral runs the other way.
        share = lambda node, weight: tuple(
            leaf * (weight * (ta - tb)).astype(leaf.real.dtype)
            for leaf in dense.layout.merge(dense.method.interpolate(piece, node))
        )
        states = jax.vmap(lambda t: state_at(plan.method, forward.kept, t))(times)
        slopes = lambda theta: jax.vmap(lambda t, y: field(t, y, theta))(times, states)
        more = jax.vjp(slopes, theta)[1](jax.vmap(share)(nodes, weights))[0]
        return index + 1, jax.tree_util.tree_map(jnp.add, total, more)

    loop = (jnp.int32(0), total)
    return while_loop(lambda carry: carry[0] < dense.num_steps, panel, loop, dense, forward, theta)[1]
