"""Jump problems: states that change at random times.

- `problem`: `JumpProblem`. `changes`: its constant matrices.
- `abstract`: what methods share. `gillespie`: `Gillespie`.
- `run`: from a problem to a solution. `loop`: the loop over events, for one path and for batches. `network`: the
  problem's functions as the loop sees them. `random_words`: random numbers inside the loop. `dense`: `sol(t)`.
"""

from .abstract import AbstractJumpMethod as AbstractJumpMethod
from .gillespie import Gillespie as Gillespie
from .grouped_direct import GroupedDirect as GroupedDirect
from .hazard import IntegratedHazard as IntegratedHazard
from .mass_action import MassAction as MassAction
from .problem import JumpProblem as JumpProblem
from .tau_leaping import TauLeaping as TauLeaping
