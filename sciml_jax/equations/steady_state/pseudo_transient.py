"""Pseudo-transient continuation for steady states."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ...core.checks import check_positive
from ...core.status import Status
from ...numerics.linear_solve import factorised_solver
from ...numerics.loops import while_loop
from .common import AbstractSteadyStateMethod, Fixed, Found, size

FIRST_CHANGE = 0.1
"""The change of the state over the first step, relative to the state, where `first` is not given."""

NEARLY_NEWTON = 0.1
"""Share of the residual that the pseudo-time term may leave after a step that is to count as Newton's."""


class PseudoTransient(AbstractSteadyStateMethod):
    """Implicit Euler steps that grow as the residual falls: `y <- y + (I / d - J(y))^-1 f(y)`, `d <- d |f_old| / |f|`.

    Follows the dynamics roughly while far from rest and becomes Newton's method near it (switched evolution
    relaxation): more robust than `NewtonRaphson` from a poor guess, and cheaper than `DynamicSS`, which follows them
    accurately. Finds the stable state that the dynamics lead to, mostly; time is not resolved, so that with several
    stable states it may be another one. A step to where the vector field is not finite is repeated with a quarter of d.

    Converged when the correction is below `atol + rtol |y|` in the root-mean-square norm and nearly Newton's, so that
    the error is below about a tenth of that.

    Cost: one Jacobian and one factorisation, O(n^3), and one evaluation per step. Statuses: `MAX_STEPS` (no rest, as
    for an oscillation, or the residual does not fall), `SINGULAR` (`I / d - J`), `NON_FINITE` (the vector field at the
    guess). Convergence is proved for dynamics that tend to the steady state only.

    Parameters
    ----------
    first
        The first step d, in units of time of the problem, positive. None takes one over which the state changes by
        about a tenth.

    References
    ----------
    Kelley & Keyes, Convergence analysis of pseudo-transient continuation, SIAM J. Numer. Anal. 35 (1998) 508-523.
    """

    first: float | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.first is not None:
            check_positive(self.first, "first")

    def find(self, residual: Any, fixed: Fixed, max_steps: int) -> tuple[Any, Found]:
        """See `AbstractSteadyStateMethod`."""

        def advance(carry):
            y, f, rate, found, _ = carry
            identity = jnp.eye(y.shape[0], dtype=y.dtype)
            change = factorised_solver(rate * identity - jax.jacfwd(residual)(y))(f)
            length = size(change, y, fixed)
            ahead = residual(y + change)
            nearly = rate * size(change, y, fixed) <= NEARLY_NEWTON * size(f, y, fixed)
            singular = ~jnp.isfinite(length)
            accepted = jnp.all(jnp.isfinite(ahead)) & ~singular
            status = jnp.where(singular, jnp.int32(Status.SINGULAR), found.status)
            found = Found(status, found.num_steps + 1, found.num_evaluations + 1, found.num_factorisations + 1)
            # The residual's size in units of the state, not of the tolerance: rounding must not let the step shrink.
            falls = _norm(ahead) / jnp.maximum(_norm(f), jnp.finfo(y.dtype).tiny)
            rate = jnp.where(accepted, rate * falls, 4 * rate)
            ended = (accepted & (length <= 1.0) & nearly) | singular
            return jnp.where(accepted, y + change, y), jnp.where(accepted, ahead, f), rate, found, ended

        one, zero = jnp.int32(1), jnp.int32(0)
        y, f = fixed.guess, residual(fixed.guess)
        finite = jnp.all(jnp.isfinite(f)) & jnp.all(jnp.isfinite(y))
        status = jnp.where(finite, jnp.int32(Status.SUCCESS), jnp.int32(Status.NON_FINITE))
        going = lambda carry: ~carry[4] & (carry[3].num_steps < max_steps)
        init = (y, f, self._first_rate(y, f), Found(status, zero, one, zero), ~finite)
        y, _, _, found, ended = while_loop(going, advance, init, fixed, f)
        return y, found._replace(status=jnp.where(ended, found.status, jnp.int32(Status.MAX_STEPS)))

    def _first_rate(self, y, f):
        """The reciprocal of the first step."""
        if self.first is not None:
            return jnp.full((), 1 / self.first, y.dtype)
        # A state of zero says nothing about its size; one is a guess.
        scale = jnp.where(_norm(y) > 0, _norm(y), 1)
        return _norm(f) / (FIRST_CHANGE * scale)


def _norm(vector):
    return jnp.sqrt(jnp.mean(vector**2))
