"""Methods for ordinary differential equations. One method per file.

Explicit (not for stiff problems): `Euler` (1), `Heun` (2), `RK4` (4), `Bosh3` (3), `Tsit5` (5), `Dopri5` (5).
Linearly implicit (stiff): `Rodas5P` (5).

Shared: `one_step` (the protocol), `explicit_runge_kutta` and `rosenbrock` (steps from a tableau).
"""

from .bosh3 import Bosh3 as Bosh3
from .dopri5 import Dopri5 as Dopri5
from .euler import Euler as Euler
from .heun import Heun as Heun
from .one_step import AbstractOneStepMethod as AbstractOneStepMethod
from .rk4 import RK4 as RK4
from .rodas5p import Rodas5P as Rodas5P
from .tsit5 import Tsit5 as Tsit5
