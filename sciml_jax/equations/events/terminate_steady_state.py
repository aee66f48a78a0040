"""The end of an integration where the solution has come to rest."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from ...core.checks import check_not_both_zero, check_scalar, check_tolerance
from ..options import default_tolerances
from ..rest_norm import rest_norm
from .abstract import AbstractEvent, Trigger


class TerminateSteadyState(AbstractEvent):
    """End the integration after the first step at whose end the solution is at rest: status `EVENT`, a success.

    At rest: `sqrt(mean((f_i / (atol + rtol |y_i|))^2)) <= 1` for the vector field `f` of the problem, in units of its
    time; the same norm as that of `sj.DynamicSS`. With a mass matrix it is `f` itself, algebraic equations included.

    Parameters
    ----------
    rtol, atol
        Tolerances of the slope, scalars. By default those of `sj.solve` for the dtype of the state: 1e-6 and 1e-9 for
        float64, 1e-4 and 1e-6 for float32.
    min_t
        Rest counts from this time on, for solutions that linger at a saddle or begin at one. None: always.

    Raises
    ------
    ValueError
        For negative tolerances or two zeros, or for a problem whose vector field also takes the past.

    Notes
    -----
    Cost: one evaluation of the vector field per step. The distance to the steady state is about `|f|` over the slowest
    rate. A forced problem (`f` depends on time) may rest for a moment only.

    Derivatives of `y1` are those of the integration up to that step, whose end counts as a constant; they approach
    those of the steady state as it is approached. For the exact ones, or for the state alone, `sj.SteadyStateProblem`
    differentiates the equation `f = 0` itself, at the price of one linear solve.

    References
    ----------
    Shampine & Reichelt, The MATLAB ODE suite, SIAM J. Sci. Comput. 18 (1997) 1-22 (weighted norms of error control).
    """

    rtol: Any = None
    atol: Any = None
    min_t: Any = None

    def __check_init__(self):
        for value, name in ((self.rtol, "rtol"), (self.atol, "atol")):
            if value is not None:
                check_tolerance(value, name, jnp.zeros(()))
        check_not_both_zero(self.rtol, self.atol)
        if self.min_t is not None:
            check_scalar(self.min_t, "min_t")

    def as_trigger(self, problem: Any) -> Trigger:
        """See `AbstractEvent`."""
        if hasattr(problem, "history"):
            msg = (
                "`TerminateSteadyState` evaluates `vector_field(t, y, args)`; got a delay problem, whose vector field "
                "also takes the past. Pass an `sj.Event` with a condition on the state, `terminal=True`."
            )
            raise ValueError(msg)
        default = default_tolerances(problem.y0)
        rtol, atol = (b if a is None else a for a, b in zip((self.rtol, self.atol), default, strict=True))
        condition = _AtRest(problem.vector_field, rtol, atol, self.min_t, problem.t0, problem.t1)
        return Trigger(condition=condition, at_steps=True, terminal=True, max_triggers=1)


class _AtRest(eqx.Module):
    """Whether the vector field is small at `(t, y)`."""

    vector_field: Callable
    rtol: Any
    atol: Any
    min_t: Any
    t0: Any
    t1: Any

    def __call__(self, t: Any, y: Any, args: Any) -> Any:
        rests = rest_norm(self.vector_field(t, y, args), y, self.rtol, self.atol) <= 1.0
        if self.min_t is None:
            return rests
        direction = jnp.sign(jnp.asarray(self.t1) - self.t0)
        return rests & (direction * t >= direction * self.min_t)
