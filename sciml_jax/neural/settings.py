"""The method and the options with which a model solves its equation."""

import dataclasses
from typing import Any

import diffrax
import equinox as eqx

from ..core.checks import check_instance
from ..core.frozen import Frozen
from ..core.method import AbstractMethod
from ..equations import FixedStep, PIDController, Solution, solve
from ..equations.options import DEFAULT_STEPS

OPTIONS = ("adjoint", "atol", "controller", "dt0", "events", "max_steps", "on_failure", "rtol")


class Settings(eqx.Module):
    """What a model passes on to `sj.solve`."""

    method: Any
    rtol: Any = None
    atol: Any = None
    dt0: Any = None
    max_steps: int | None = eqx.field(static=True, default=DEFAULT_STEPS)
    controller: Any = None
    events: Any = ()
    adjoint: Any = None
    on_failure: str = eqx.field(static=True, default="raise")

    def solve(self, problem: Any, saveat: Any, *, key: Any = None, tstops: Any = None) -> Solution:
        """Solve a problem, stepping on `tstops` too."""
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "method"}
        if tstops is not None:
            given["controller"] = _with_stops(self.controller, tstops)
        return solve(problem, self.method, saveat=saveat, key=key, **given)


def settings(model: str, method: Any, options: dict[str, Any]) -> Frozen:
    """The settings of a model, frozen: the arrays in methods, controllers and events are not for training."""
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        listed = ", ".join(f"`{name}`" for name in OPTIONS)
        msg = (
            f"`{model}` passes the options {listed} on to `sj.solve`; got "
            f"{', '.join(f'`{name}`' for name in unknown)}. Check the spelling; save times and keys belong to the call."
        )
        raise TypeError(msg)
    if method is not None:
        check_instance(method, (AbstractMethod, diffrax.AbstractSolver), "method", "sj.Tsit5()")
    on_failure = options.get("on_failure", "raise")
    if on_failure not in ("raise", "return", "status"):
        msg = (
            f'`on_failure` must be "raise" or "status"; got {on_failure!r}. Pass `on_failure="status"` never to raise.'
        )
        raise ValueError(msg)
    return Frozen(Settings(method, **options))


def _with_stops(controller: Any, tstops: Any) -> Any:
    if controller is None:
        return PIDController(tstops=tstops)
    if isinstance(controller, (PIDController, FixedStep)) and controller.tstops is None:
        return dataclasses.replace(controller, tstops=tstops)
    return controller
