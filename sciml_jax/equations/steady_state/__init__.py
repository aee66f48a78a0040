"""Steady states: where the vector field vanishes.

- `problem`: `SteadyStateProblem`. `newton_raphson`: by Newton's method. `dynamic`: by following the dynamics.
  `pseudo_transient`: by implicit steps that turn into Newton's.
- `common`: checks, compilation and the result, which both share. Derivatives are in `adjoints/implicit`.
"""

from .dynamic import DynamicSS as DynamicSS
from .newton_raphson import NewtonRaphson as NewtonRaphson
from .problem import SteadyStateProblem as SteadyStateProblem
from .pseudo_transient import PseudoTransient as PseudoTransient
