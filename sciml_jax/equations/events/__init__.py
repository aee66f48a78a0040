"""Events: what happens to the state while an equation is integrated.

- `event.Event`: where a condition crosses zero or becomes true. `preset_times.PresetTimes`: at given times;
  `periodic.Periodic`: at equal intervals.
- `terminate_steady_state`, `positivity`, `manifold_projection`, `step_limiter`, `saving`: looked at after every step.
- `abstract`: the protocol, and the form in which the engine knows an event. `triggers.Triggers`: the log in a solution.
- `changing_args`: affects that change parameters.

The engine's part is in `engine/events.py` (functions and settings), `engine/event_search.py` (where in a step),
`engine/event_change.py` (what happens there) and `engine/event_row.py` (derivatives).
"""

from .abstract import AbstractEvent as AbstractEvent
from .event import Event as Event
from .manifold_projection import ManifoldProjection as ManifoldProjection
from .periodic import Periodic as Periodic
from .positivity import Positivity as Positivity
from .preset_times import PresetTimes as PresetTimes
from .saving import Saving as Saving
from .step_limiter import StepLimiter as StepLimiter
from .terminate_steady_state import TerminateSteadyState as TerminateSteadyState
from .triggers import Triggers as Triggers
