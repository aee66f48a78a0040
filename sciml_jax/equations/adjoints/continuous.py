"""What the continuous adjoints share: their options, their rule, and how they solve an interval."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from ...core.checks import check_instance, check_max_steps
from ...core.method import AbstractMethod
from ..controllers import FixedStep, PIDController
from ..problem import ODEProblem
from ..saveat import SaveAt
from .abstract import AbstractAdjoint
from .backward_pass import Forward, Sweep, pull_back
from .replay import Replay
from .tolerance import as_tolerance


class AbstractContinuousAdjoint(AbstractAdjoint):
    """An adjoint that integrates the adjoint equation backwards; a subclass says how one interval is done."""

    rtol: float | None = eqx.field(static=True, default=None, converter=as_tolerance)
    atol: float | None = eqx.field(static=True, default=None, converter=as_tolerance)
    method: Any = eqx.field(static=True, default=None)
    max_steps: int | None = eqx.field(static=True, default=None)

    keeps_interpolants: ClassVar[bool] = True
    """Whether the forward pass keeps the interpolants of all steps."""

    def __check_init__(self):
        if self.method is not None:
            check_instance(self.method, AbstractMethod, "method", "sj.Tsit5()")
        check_max_steps(self.max_steps)

    @abc.abstractmethod
    def forward(self, plan: Any, operands: Any, settings: Any) -> tuple[Any, tuple, Any]:
        """The outputs, their info, and what the backward pass will need."""

    @abc.abstractmethod
    def interval(self, plan: Any, forward: Forward, sweep: Sweep, end: Any) -> Sweep:
        """Integrate from `sweep.t` to `end`, which differ."""

    @abc.abstractmethod
    def state(self, plan: Any, forward: Forward, sweep: Sweep) -> tuple:
        """The state at `sweep.t`."""

    def integration(self, plan: Any) -> Any:
        """See `AbstractAdjoint`."""
        _check_plan(self, plan)

        @jax.custom_vjp
        def integration(operands, settings):
            return Replay().integration(plan)(operands, settings)

        def forward(operands, settings):
            outputs, info, kept = self.forward(plan, operands, settings)
            return (outputs, info), Forward(operands, settings, outputs, info, kept)

        def backward(kept, cotangents):
            return pull_back(self, plan, kept, cotangents[0]), None

        integration.defvjp(forward, backward)
        return integration

    def solve(self, plan: Any, forward: Forward, field: Any, state: Any, sweep: Sweep, end: Any, **options: Any) -> Any:
        """Solve one interval for `state` with the adjoint's options; without any, those of the forward solve."""
        settings = forward.settings
        method = plan.method if self.method is None else self.method
        stops = jnp.stack([sweep.t, end]) if plan.has_stops else None
        adaptive = plan.controller_is_adaptive and method.error_order is not None
        controller = PIDController(tstops=stops) if adaptive else FixedStep(tstops=stops)
        options = {"rtol": self.tolerance("rtol", settings), "atol": self.tolerance("atol", settings)} | options
        return method.solve(
            ODEProblem(field, state, sweep.t, end),
            dt0=sweep.h,
            controller=controller,
            max_steps=plan.max_steps if self.max_steps is None else self.max_steps,
            adjoint=Replay(),
            on_failure="status",
            **({"saveat": SaveAt(t1=True)} | options),
        )

    def tolerance(self, name: str, settings: Any) -> Any:
        """The adjoint's own tolerance, or the smallest of the forward solve's."""
        given = getattr(self, name)
        leaves = getattr(settings, name)
        if given is not None:
            return jnp.asarray(given, leaves[0].dtype)
        smallest = jnp.min(leaves[0])
        for leaf in leaves[1:]:
            smallest = jnp.minimum(smallest, jnp.min(leaf))
        return smallest


def _check_plan(adjoint, plan):
    name = type(adjoint).__name__
    if plan.save_every is not None or plan.dense:
        asked = "steps=..." if plan.save_every is not None else "dense=True"
        msg = (
            f"`sj.{name}()` differentiates what is saved at given times; got `SaveAt({asked})`, whose times or "
            "contents are those of the steps. Save with `ts`, `t0` or `t1`, or use `sj.Replay()`."
        )
        raise ValueError(msg)
    if adjoint.keeps_interpolants and plan.max_steps is None:
        msg = (
            f"`sj.{name}()` keeps the interpolants of all steps and needs a bound on them; got `max_steps=None`. Pass "
            "a number, or use `sj.Checkpointed()` or `sj.Backsolve()`."
        )
        raise ValueError(msg)
