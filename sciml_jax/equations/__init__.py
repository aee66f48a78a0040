"""State an equation and solve it.

- `problem`: `ODEProblem`. `solve`: the front door. `solution`: `Solution`, `Stats`. `saveat`: `SaveAt`.
- `methods/`: one file per method. `controllers/`: step sizes. `adjoint`: how derivatives are computed.
- `engine/`: the native integrator behind the one-step methods.
- `diffrax_backend`: solving through any Diffrax solver.
"""

from .adjoint import Replay as Replay
from .controllers import FixedStep as FixedStep, PIDController as PIDController
from .methods import (
    RK4 as RK4,
    AbstractOneStepMethod as AbstractOneStepMethod,
    Bosh3 as Bosh3,
    Dopri5 as Dopri5,
    Euler as Euler,
    Heun as Heun,
    Rodas5P as Rodas5P,
    Tsit5 as Tsit5,
)
from .problem import ODEProblem as ODEProblem
from .saveat import SaveAt as SaveAt
from .solution import DenseOutput as DenseOutput, Solution as Solution, Stats as Stats
from .solve import solve as solve
