"""Scientific machine learning in JAX: pure functions that compose under `jit`, `vmap`, `grad` and `shard_map`.

Folders, each importing only from those before it: `core`, `numerics`, `training`, `equations`, `zoo`.
The front door is `solve(problem, method)`.
"""

from importlib.metadata import PackageNotFoundError as _NotFound
from importlib.metadata import version as _version

from . import training as training
from . import zoo as zoo
from .core import AbstractMethod as AbstractMethod
from .core import AbstractSolution as AbstractSolution
from .core import SolveError as SolveError
from .core import Status as Status
from .equations import RK4 as RK4
from .equations import Bosh3 as Bosh3
from .equations import Dopri5 as Dopri5
from .equations import Euler as Euler
from .equations import FixedStep as FixedStep
from .equations import Heun as Heun
from .equations import ODEProblem as ODEProblem
from .equations import PIDController as PIDController
from .equations import Replay as Replay
from .equations import Rodas5P as Rodas5P
from .equations import SaveAt as SaveAt
from .equations import Solution as Solution
from .equations import Tsit5 as Tsit5
from .equations import solve as solve

try:
    __version__ = _version("sciml_jax")
except _NotFound:  # imported from a source tree that was not installed
    __version__ = "0+unknown"
