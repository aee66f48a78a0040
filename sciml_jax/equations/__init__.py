"""State an equation and solve it.

- `problem`: `ODEProblem`. `solve`: the front door. `solution`: `Solution`, `Stats`. `saveat`: `SaveAt`.
- `methods/`: one file per method. `controllers/`: step sizes. `adjoint`: how derivatives are computed.
- `engine/`: the native integrator behind the one-step methods.
- `diffrax_backend`: solving through any Diffrax solver.
"""

from .adjoint import Replay as Replay
from .controllers import FixedStep as FixedStep
from .controllers import PIDController as PIDController
from .methods import (
    RK4 as RK4,
)
from .methods import (
    AbstractOneStepMethod as AbstractOneStepMethod,
)
from .methods import (
    Bosh3 as Bosh3,
)
from .methods import (
    Dopri5 as Dopri5,
)
from .methods import (
    Euler as Euler,
)
from .methods import (
    Heun as Heun,
)
from .methods import (
    Rodas5P as Rodas5P,
)
from .methods import (
    Tsit5 as Tsit5,
)
from .problem import ODEProblem as ODEProblem
from .saveat import SaveAt as SaveAt
from .solution import DenseOutput as DenseOutput
from .solution import Solution as Solution
from .solution import Stats as Stats
from .solve import solve as solve
