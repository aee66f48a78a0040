"""Newton's method for steady states."""

from typing import Any

import jax
import jax.numpy as jnp

from ...core.status import Status
from ...numerics.linear_solve import factorised_solver
from ...numerics.loops import while_loop
from .common import AbstractSteadyStateMethod, Fixed, Found, size

SMALLEST_DAMPING = 2.0**-10


class NewtonRaphson(AbstractSteadyStateMethod):
    """Damped Newton iteration, `y <- y - a J(y)^-1 f(y)`. Fast near a solution; finds unstable steady states as well.

    The factor a is halved from 1 until the simplified correction `J(y)^-1 f(y_new)` is smaller than the correction
    (`Deuflhard`'s natural monotonicity, which scaling the equations does not change). Converged when the correction is
    below `atol + rtol |y|` in the root-mean-square norm, so that the error is about its square.

    Cost: one Jacobian and one factorisation, O(n^3), and a few evaluations per iteration. Statuses: `MAX_STEPS` (of
    iterations), `SINGULAR` (the Jacobian), `NON_FINITE` (the vector field at the guess). Which solution is found
    depends on the guess; for the one that the dynamics reach take `DynamicSS`.

    References
    ----------
    Deuflhard, Newton Methods for Nonlinear Problems (2004), chapter 3.
    """

    def find(self, residual: Any, fixed: Fixed, max_steps: int) -> tuple[Any, Found]:
        """See `AbstractSteadyStateMethod`."""

        def improve(carry):
            y, f, found, _ = carry
            solver = factorised_solver(jax.jacfwd(residual)(y))
            correction = -solver(f)
            length = size(correction, y, fixed)
            y1, f1, tried = _damped(residual, solver, y, correction, length, fixed)
            singular = ~jnp.isfinite(length)
            status = jnp.where(singular, jnp.int32(Status.SINGULAR), found.status)
            found = Found(status, found.num_steps + 1, found.num_evaluations + tried, found.num_factorisations + 1)
            return y1, f1, found, (length <= 1.0) | singular

        one, zero = jnp.int32(1), jnp.int32(0)
        f = residual(fixed.guess)
        finite = jnp.all(jnp.isfinite(f)) & jnp.all(jnp.isfinite(fixed.guess))
        status = jnp.where(finite, jnp.int32(Status.SUCCESS), jnp.int32(Status.NON_FINITE))
        going = lambda carry: ~carry[3] & (carry[2].num_steps < max_steps)
        init = (fixed.guess, f, Found(status, zero, one, zero), ~finite)
        y, _, found, ended = while_loop(going, improve, init, fixed, f)
        return y, found._replace(status=jnp.where(ended, found.status, jnp.int32(Status.MAX_STEPS)))


def _damped(residual, solver, y, correction, length, fixed):
    """The longest step, halved from 1, after which the correction is smaller; and the evaluations it took."""

    def attempt(factor):
        y1 = y + factor * correction
        f1 = residual(y1)
        return y1, f1, size(solver(f1), y, fixed)

    def too_long(carry):
        factor, _, _, ahead, _ = carry
        # Below one the iteration is done; a NaN counts as too long.
        return (length > 1.0) & ~(ahead <= (1 - factor / 4) * length) & (factor > SMALLEST_DAMPING)

    def halve(carry):
        factor, *_, tried = carry
        factor = factor / 2
        return factor, *attempt(factor), tried + 1

    one = jnp.ones((), y.dtype)
    _, y1, f1, _, tried = while_loop(too_long, halve, (one, *attempt(one), jnp.int32(1)), y, correction, fixed)
    return y1, f1, tried
