"""Boundary value problems for ordinary differential equations: conditions at both ends of the interval.

- `problem`: `BVProblem`; `guess` makes the forms of an initial guess alike.
- `collocation`: on a mesh, fourth order; `mesh` estimates its error and moves the nodes. `shooting`: from one end.
  `multiple_shooting`: from many points at once.
- `common`: checks, compilation and the result, which all share. `equations`: the user's functions with every operand
  explicit. `newton`: the damped iteration. `block_elimination`: its linear systems. `implicit_rule`: derivatives.
- `matching`: the equations of both shooting methods; `flow` integrates for them. `saving`: what is kept.
"""

from .collocation import Collocation as Collocation
from .multiple_shooting import MultipleShooting as MultipleShooting
from .problem import BVProblem as BVProblem
from .shooting import Shooting as Shooting
