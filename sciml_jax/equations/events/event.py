"""An event where a condition crosses zero or becomes true."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from ...core.callables import as_callable
from ...core.checks import check_scalar
from .abstract import AbstractEvent, Trigger, checked_affect, checked_bool, checked_count, checked_observe


class Event(AbstractEvent):
    """An event at the times where `condition(t, y, args)` crosses zero, or becomes true.

    The step that contains the earliest crossing is shortened to end there, the state is changed to `affect(t, y, args)`
    and the method begins anew. Derivatives include that the time of the event moves: with `g` the condition,
    `dt* = -(g_t + g_y y')^-1 (g_y dy + g_args dargs)`, and with it the jump of the sensitivities (saltation).

    Parameters
    ----------
    condition
        `g(t, y, args)`, a real scalar that changes its sign at the event, or a Boolean scalar that becomes True there.
        A number gives exact derivatives; a Boolean has none, and its event times count as constants.
    affect
        `(t, y, args) -> y`, the state after the event, with the structure, shapes and dtypes of the state; or
        `-> (y, args)`, which changes parameters from there on (float leaves of `args` only). None changes nothing: the
        event is only recorded, or stops the integration.
    terminal
        Whether the integration ends there, after `affect`: with the status `EVENT`, a success. `y1` is the state there
        and later save times hold NaN.
    direction
        1: only where the condition rises through zero; -1: only where it falls; 0: both. For Boolean conditions 1 and 0
        mean "becomes true", -1 "becomes false".
    root_rtol
        The time is located to `root_rtol * |t|`; by default 100 times the rounding of the dtype. Events that close
        together are simultaneous.
    max_triggers
        Length of the log `sol.events[i]`. One trigger more ends the solve with the status `ZENO`. None keeps no log and
        has no bound.
    observe
        `(t, y, args) -> value`, kept in the log in place of the state: any pytree of float arrays.

    Raises
    ------
    TypeError, ValueError
        For what is not callable, another `direction`, a `root_rtol` that is not positive, a `max_triggers` below one.

    Notes
    -----
    - *Order.* The earliest crossing comes first, whatever the order of the list. Simultaneous events are applied in the
      order of the list, each to the state that the one before left.
    - *No second firing.* After an event every condition is looked at anew: one that is zero there, to within the
      resolution, counts as having the sign that it is moving to. So a start exactly on a root does not trigger, and a
      jump of the state over a root is no crossing. A Boolean condition that is true at `t0` triggers at once.
    - *Inside a step* the condition is evaluated on the dense output at the quarters of the step, with its slope. Two
      crossings between neighbouring points are found where the cubic through values and slopes comes close to zero;
      narrower excursions, below about a sixteenth of a step, can be missed: bound the step with `dtmax`.
    - *Noise.* Of equations with noise crossings are seen at the ends of steps only, and then located on the path by
      bisection, to `root_rtol * |t|` or 2^-32 of the interval (2^-20 in single precision), whichever is larger: some 25
      attempted steps per trigger. The times count as constants in derivatives, but for conditions that the noise does
      not move. A path that has crossed a level may cross it again at any moment: give `direction`, `terminal` or an
      affect that leaves the level.
    - *Zeno.* The same event again within 16 resolutions, or more than `max_triggers` times, ends the solve with the
      status `ZENO`.
    - *Algebraic variables* of a differential-algebraic equation are solved for again after `affect`.

    Cost: about nine evaluations of the condition with its slope per step, and two or three attempted steps per trigger.

    References
    ----------
    Shampine & Thompson, Event location for ordinary differential equations, Comput. Math. Appl. 39 (2000) 43-54;
    Hiskens & Pai, Trajectory sensitivity analysis of hybrid systems, IEEE Trans. Circuits Syst. I 47 (2000) 204-220.
    """

    condition: Callable
    affect: Callable | None
    observe: Callable | None
    terminal: bool = eqx.field(static=True)
    direction: int = eqx.field(static=True)
    root_rtol: Any
    max_triggers: int | None = eqx.field(static=True)

    def __init__(
        self,
        condition: Callable,
        affect: Callable | None = None,
        *,
        terminal: bool = False,
        direction: int = 0,
        root_rtol: Any = None,
        max_triggers: int | None = 100,
        observe: Callable | None = None,
    ):
        self.condition = as_callable(condition, "condition", "t", "y", "args")
        self.affect = checked_affect(affect)
        self.observe = checked_observe(observe)
        self.terminal = checked_bool(terminal, "terminal")
        if isinstance(direction, bool) or not isinstance(direction, (int, np.integer)) or direction not in (-1, 0, 1):
            msg = f"`direction` must be -1 (falling), 0 (both) or 1 (rising); got {direction!r}."
            raise ValueError(msg)
        self.direction = int(direction)
        if root_rtol is not None:
            check_scalar(root_rtol, "root_rtol")
            if isinstance(root_rtol, (int, float)) and not root_rtol > 0:
                msg = f"`root_rtol` must be positive, a part of the time; got {root_rtol!r}. Pass, for example, 1e-12."
                raise ValueError(msg)
        self.root_rtol = root_rtol
        self.max_triggers = checked_count(max_triggers)

    def as_trigger(self, problem: Any) -> Trigger:
        """See `AbstractEvent`."""
        del problem
        return Trigger(
            condition=self.condition,
            affect=self.affect,
            observe=self.observe,
            terminal=self.terminal,
            direction=self.direction,
            root_rtol=self.root_rtol,
            max_triggers=self.max_triggers,
        )
