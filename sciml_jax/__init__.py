"""Scientific machine learning in JAX: pure functions that compose under `jit`, `vmap`, `grad` and `shard_map`.

Folders, each importing only from those before it: `core`, `numerics`, `training`, `equations`, `zoo`.
The front door is `solve(problem, method)`.
"""

from importlib.metadata import PackageNotFoundError as _NotFound, version as _version

from .core import AbstractMethod as AbstractMethod, AbstractSolution as AbstractSolution
from .core import SolveError as SolveError, Status as Status
from .equations import (
    RK4 as RK4,
    Bosh3 as Bosh3,
    Dopri5 as Dopri5,
    Euler as Euler,
    FixedStep as FixedStep,
    Heun as Heun,
    ODEProblem as ODEProblem,
    PIDController as PIDController,
    Replay as Replay,
    Rodas5P as Rodas5P,
    SaveAt as SaveAt,
    Solution as Solution,
    Tsit5 as Tsit5,
    solve as solve,
)

try:
    __version__ = _version("sciml_jax")
except _NotFound:  # imported from a source tree that was not installed
    __version__ = "0+unknown"
