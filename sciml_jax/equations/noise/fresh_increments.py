"""Increments that every step draws for itself."""

from typing import Any

import equinox as eqx

from ...core.checks import check_instance
from ..controllers import PIDController
from ..engine.noise import FreshWords
from ..events import AbstractEvent


class FreshIncrements(eqx.Module):
    """In place of a Brownian path: `sj.solve(problem, method, key=key, dt0=dt, path=sj.FreshIncrements())`.

    Every step draws its increments, `W` normal with variance h and the space-time Levy area `H`, from the key and the
    time where it begins. The law of a solution with fixed steps is the same, and a step costs two normal numbers per
    motion where the path of `sj.BrownianPath` costs about a hundred: for large ensembles of cheap steps.

    There is no path, so what needs one is gone. Solves with other step sizes, other save times or stops see other
    noise: no strong errors, no multilevel coupling, and `sj.BrownianPath` does not describe them. Steps cannot be taken
    again, so that adaptive steps and events that are searched for (`sj.Event`) are refused; events at given times and
    after steps are fine. The same key, step size and times give the same solution; derivatives, which recompute steps,
    draw the same numbers.
    """

    def words(self, words: Any, controller: Any, events: Any) -> FreshWords:
        """What the engine draws from; refuses what needs a path."""
        if isinstance(controller, PIDController):
            msg = (
                "`FreshIncrements` draws the noise of a step anew, so that no step can be taken again; got adaptive "
                "steps. Pass `controller=sj.FixedStep()` and `dt0`, or leave `path` out."
            )
            raise ValueError(msg)
        events = (events,) if isinstance(events, AbstractEvent) else events
        if any(hasattr(event, "condition") for event in events):
            msg = (
                "`FreshIncrements` draws the noise of a step anew, so that no crossing can be located inside of it; "
                "got an `Event`. Leave `path` out, or use events at given times (`sj.PresetTimes`)."
            )
            raise ValueError(msg)
        return FreshWords(words)


def check_path(path: Any) -> None:
    """Refuse what is no path."""
    if path is not None:
        check_instance(path, FreshIncrements, "path", "sj.FreshIncrements()")
