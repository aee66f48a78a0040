"""Steady states by integration."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from ...core.checks import check_instance, check_positive
from ...core.status import Status
from ...numerics.loops import while_loop
from ..adjoints.replay import Replay
from ..methods.one_step import AbstractOneStepMethod
from ..methods.rodas5p import Rodas5P
from ..problem import ODEProblem
from .common import AbstractSteadyStateMethod, Fixed, Found, size

GROWTH = 4.0
"""Each interval of time is this much longer than all before it together."""


class DynamicSS(AbstractSteadyStateMethod):
    """Integrate `dy/dt = f(y)` from `y0` until it rests. Finds the stable state that the dynamics reach.

    Integrates over intervals of time that grow fourfold, until `|f| <= atol + rtol |y|` in the root-mean-square norm
    (in units of time of the problem). The error is then about `|f|` over the slowest rate: for more digits tighten the
    tolerances, or pass the result to `NewtonRaphson`.

    Cost: one solve, `max_steps` bounds the steps of each interval; time is cheap for an implicit method once the state
    rests. Statuses: those of the solve; `MAX_STEPS` if `horizon` passes without rest, as for an oscillation.

    Parameters
    ----------
    method
        The method, by default `sj.Rodas5P()`.
    horizon
        Time at which to give up, positive.
    first
        Length of the first interval, positive.

    References
    ----------
    Shampine & Reichelt, The MATLAB ODE suite, SIAM J. Sci. Comput. 18 (1997) 1-22 (the methods); Kelley & Keyes,
    Convergence analysis of pseudo-transient continuation, SIAM J. Numer. Anal. 35 (1998) 508-523.
    """

    method: Any = eqx.field(static=True, default=Rodas5P())
    horizon: float = eqx.field(static=True, default=1e12)
    first: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        check_instance(self.method, AbstractOneStepMethod, "method", "sj.Rodas5P()")
        check_positive(self.horizon, "horizon")
        check_positive(self.first, "first")

    def find(self, residual: Any, fixed: Fixed, max_steps: int) -> tuple[Any, Found]:
        """See `AbstractSteadyStateMethod`."""

        def follow(carry):
            t, y, found, _ = carry
            end = jnp.maximum(GROWTH * t, jnp.asarray(self.first, t.dtype))
            # Without a derivative rule in the way: the whole search is not differentiated.
            solution = self.method.solve(
                ODEProblem(lambda t, y, args: residual(y), y, t, end),
                rtol=fixed.rtol,
                atol=fixed.atol,
                max_steps=max_steps,
                adjoint=Replay(),
                on_failure="status",
            )
            stats = solution.stats
            status = jnp.where(solution.status == Status.SUCCESS, found.status, solution.status)
            found = Found(
                status,
                found.num_steps + stats.num_steps,
                found.num_evaluations + stats.num_vector_field + 1,
                found.num_factorisations + stats.num_factorisation,
            )
            y = solution.y1
            return end, y, found, (size(residual(y), y, fixed) <= 1.0) | (status != Status.SUCCESS)

        zero = jnp.int32(0)
        f = residual(fixed.guess)
        init = (jnp.zeros((), f.dtype), fixed.guess, Found(zero, zero, jnp.int32(1), zero), ~jnp.all(jnp.isfinite(f)))
        init = (*init[:2], init[2]._replace(status=jnp.where(init[3], jnp.int32(Status.NON_FINITE), 0)), init[3])
        going = lambda carry: ~carry[3] & (carry[0] < self.horizon)
        _, y, found, ended = while_loop(going, follow, init, fixed, f)
        return y, found._replace(status=jnp.where(ended, found.status, jnp.int32(Status.MAX_STEPS)))
