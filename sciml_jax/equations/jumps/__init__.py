"""Jump problems: states that change at random times.

- `problem`: `JumpProblem`. `changes`: its constant matrices. `mass_action`: `MassAction`, elementary rates.
- `abstract`: what methods share. `gillespie`: `Gillespie`. `grouped_direct`: `GroupedDirect`. `tau_leaping`:
  `TauLeaping`, with `poisson`. `hazard`, `hazard_parts`: `IntegratedHazard`, jumps on top of an equation.
- `run`: from a problem to a solution. `loop`: the loop over events, for one path and for batches. `network`: the
  problem's functions as the loop sees them. `lanes`: one path or a batch. `random_words`: random numbers inside the
  loop. `dense`: `sol(t)`. `dependence`, `rows`: which rates depend on what, and single rates.
"""

from .abstract import AbstractJumpMethod as AbstractJumpMethod
from .gillespie import Gillespie as Gillespie
from .grouped_direct import GroupedDirect as GroupedDirect
from .hazard import IntegratedHazard as IntegratedHazard
from .mass_action import MassAction as MassAction
from .problem import JumpProblem as JumpProblem
from .tau_leaping import TauLeaping as TauLeaping
