"""The continuous adjoint with the forward solution interpolated and the parameter integral in the same equation."""

from typing import Any

import jax
import jax.numpy as jnp

from .backward_pass import Forward, Sweep, field_operands, vector_field
from .continuous import AbstractContinuousAdjoint
from .plans import changed
from .replay import Replay
from .trajectory import as_trajectory, state_at


class Interpolating(AbstractContinuousAdjoint):
    """Differentiate by the adjoint equation, with `y(t)` from the forward solve's interpolants.

    Integrates `lambda' = -(df/dy)^T lambda` and `mu' = -(df/dtheta)^T lambda` together from `t1` to `t0`, restarted at
    every save time, with step sizes of its own: `dL/dtheta = mu(t0)`. The parameter integral is under error control.

    The derivative is that of the exact solution to within the tolerances (and the accuracy of the interpolants), not
    that of the numbers returned: tighten both where an optimiser needs more digits.

    Cost: one solve backwards for n + p numbers (n of the state, p parameters). Memory: `max_steps` interpolants, each
    the state times the number of stages. Reverse mode, `vmap`, `shard_map` and `hessian` work; `jvp` and `jacfwd` do
    not. Saved at given times only. `max_steps` must be a number.

    For stiff problems with many parameters take `Gauss`: an implicit method here solves systems of n + p unknowns.

    Parameters
    ----------
    rtol, atol
        Tolerances of the adjoint solve, Python floats; None takes the (smallest) ones of the forward solve. `atol`
        is relative to the largest cotangent.
    method
        The method of the adjoint solve; None takes the forward one.
    max_steps
        Bound on the attempted steps between two save times; None takes the forward one. When it runs out the
        derivative is NaN.

    Raises
    ------
    ValueError
        For `SaveAt(steps=...)`, `SaveAt(dense=True)` and `max_steps=None`.

    References
    ----------
    Cao, Li, Petzold & Serban, Adjoint sensitivity analysis for differential-algebraic equations, SIAM J. Sci. Comput.
    24 (2003) 1076-1089.
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
            pull = jax.vjp(lambda y, theta: field(t, y, theta), y, theta)[1]
            return jax.tree_util.tree_map(lambda leaf: -leaf, pull(state[0]))

        count = len(theta)
        solution = self.solve(plan, forward, backward, (sweep.adjoint, sweep.theta[:count]), sweep, end)
        adjoint, integrals = solution.y1
        return sweep._replace(adjoint=adjoint, theta=integrals + sweep.theta[count:], h=solution.stats.h_last)


def integrate_with_trajectory(plan: Any, operands: Any, settings: Any) -> tuple[Any, tuple, Any]:
    """The outputs, their info, and the solution as a function of time."""
    outputs, info = Replay().integration(changed(plan, dense=True))(operands, settings)
    direction = jnp.sign(operands.t1 - operands.t0)
    return outputs._replace(pieces=()), (*info[:6], (), *info[7:]), as_trajectory(outputs, info, direction)
