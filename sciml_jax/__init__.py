"""Scientific machine learning in JAX: pure functions that compose under `jit`, `vmap`, `grad` and `shard_map`.

Folders, each importing only from those before it: `core`, `numerics`, `parallel`, `training`, `equations`, `zoo`.
The front door is `solve(problem, method)`.
"""

from importlib.metadata import PackageNotFoundError as _NotFound
from importlib.metadata import version as _version

from . import parallel as parallel
from . import training as training
from . import zoo as zoo
from .core import AbstractMethod as AbstractMethod
from .core import AbstractSolution as AbstractSolution
from .core import SolveError as SolveError
from .core import Status as Status
from .core import enable_fast_cpu_loops as enable_fast_cpu_loops
from .equations import ABM as ABM
from .equations import BDF as BDF
from .equations import ETDRK4 as ETDRK4
from .equations import GMRES as GMRES
from .equations import KLU as KLU
from .equations import RK4 as RK4
from .equations import RKC as RKC
from .equations import SSPRK33 as SSPRK33
from .equations import TRBDF2 as TRBDF2
from .equations import VCABM as VCABM
from .equations import AbstractAdjoint as AbstractAdjoint
from .equations import AbstractLinearSolver as AbstractLinearSolver
from .equations import AdamsBashforth as AdamsBashforth
from .equations import AutoSwitch as AutoSwitch
from .equations import Backsolve as Backsolve
from .equations import Bosh3 as Bosh3
from .equations import BVProblem as BVProblem
from .equations import Checkpointed as Checkpointed
from .equations import Collocation as Collocation
from .equations import DAEProblem as DAEProblem
from .equations import Direct as Direct
from .equations import Dopri5 as Dopri5
from .equations import Dopri8 as Dopri8
from .equations import DynamicSS as DynamicSS
from .equations import Euler as Euler
from .equations import FixedStep as FixedStep
from .equations import ForwardSensitivity as ForwardSensitivity
from .equations import Gauss as Gauss
from .equations import HamiltonianProblem as HamiltonianProblem
from .equations import Heun as Heun
from .equations import ImplicitAdjoint as ImplicitAdjoint
from .equations import ImplicitDAEProblem as ImplicitDAEProblem
from .equations import Interpolating as Interpolating
from .equations import KahanLi8 as KahanLi8
from .equations import KenCarp4 as KenCarp4
from .equations import Linear as Linear
from .equations import Midpoint as Midpoint
from .equations import MultipleShooting as MultipleShooting
from .equations import NewtonRaphson as NewtonRaphson
from .equations import ODEProblem as ODEProblem
from .equations import PIDController as PIDController
from .equations import PseudoTransient as PseudoTransient
from .equations import RadauIIA5 as RadauIIA5
from .equations import Ralston as Ralston
from .equations import Replay as Replay
from .equations import Rodas4 as Rodas4
from .equations import Rodas5P as Rodas5P
from .equations import Rosenbrock23 as Rosenbrock23
from .equations import SaveAt as SaveAt
from .equations import SecondOrderProblem as SecondOrderProblem
from .equations import Shooting as Shooting
from .equations import Solution as Solution
from .equations import Spectrum as Spectrum
from .equations import Split as Split
from .equations import StabilityRegion as StabilityRegion
from .equations import StabilityReport as StabilityReport
from .equations import SteadyStateProblem as SteadyStateProblem
from .equations import SteppingState as SteppingState
from .equations import Strang as Strang
from .equations import SymplecticEuler as SymplecticEuler
from .equations import Tsit5 as Tsit5
from .equations import VelocityVerlet as VelocityVerlet
from .equations import Vern6 as Vern6
from .equations import Vern7 as Vern7
from .equations import Vern8 as Vern8
from .equations import Vern9 as Vern9
from .equations import Yoshida4 as Yoshida4
from .equations import Yoshida6 as Yoshida6
from .equations import as_diffrax as as_diffrax
from .equations import check_sparsity as check_sparsity
from .equations import detect_sparsity as detect_sparsity
from .equations import find_consistent as find_consistent
from .equations import init as init
from .equations import is_a_stable as is_a_stable
from .equations import is_l_stable as is_l_stable
from .equations import jacobian_spectrum as jacobian_spectrum
from .equations import multistep_stability as multistep_stability
from .equations import plot_stability_region as plot_stability_region
from .equations import solve as solve
from .equations import stability_function as stability_function
from .equations import stability_region as stability_region
from .equations import stability_report as stability_report
from .equations import step as step
from .equations import stiffness_ratio as stiffness_ratio
from .numerics import AbstractPreconditioner as AbstractPreconditioner
from .numerics import BlockJacobi as BlockJacobi
from .numerics import CubicSpline as CubicSpline
from .numerics import FourierDiffusion as FourierDiffusion
from .numerics import Interpolant as Interpolant
from .numerics import Jacobi as Jacobi
from .numerics import LineADI as LineADI
from .numerics import Pchip as Pchip
from .numerics import PiecewiseConstant as PiecewiseConstant
from .numerics import PiecewiseLinear as PiecewiseLinear
from .numerics import SparsityPattern as SparsityPattern
from .numerics import interpolate as interpolate

try:
    __version__ = _version("sciml_jax")
except _NotFound:  # imported from a source tree that was not installed
    __version__ = "0+unknown"
