"""State an equation and solve it.

- `problem`: `ODEProblem`. `second_order`: `SecondOrderProblem`. `hamiltonian`: `HamiltonianProblem`; `derived_field`
  makes the vector fields of both.
- `solve`: the front door. `solution`: `Solution`, `Stats`. `saveat`: `SaveAt`.
- `methods/`: one file per method. `controllers/`: step sizes. `adjoints/`: how derivatives are computed.
- `mass_matrix`: `M` in `M dy/dt = f`. `implicit_dae`: `ImplicitDAEProblem`.
- `linear_solvers`: what `linear_solver=` takes. `sparsity`: patterns of problems, detected and checked.
- `steady_state/`: `SteadyStateProblem` and its methods. `boundary_value/`: `BVProblem` and its methods.
- `stability/`: stability functions and regions of methods, stiffness ratios of problems.
- `engine/`: the native integrator behind the one-step methods.
- `diffrax_backend`: solving through any Diffrax solver. `as_diffrax`: our methods in Diffrax.
- `stepping`: `init` and `step`, for loops that a user drives.
"""

from .adjoints import AbstractAdjoint as AbstractAdjoint
from .adjoints import Backsolve as Backsolve
from .adjoints import Checkpointed as Checkpointed
from .adjoints import ForwardSensitivity as ForwardSensitivity
from .adjoints import Gauss as Gauss
from .adjoints import ImplicitAdjoint as ImplicitAdjoint
from .adjoints import Interpolating as Interpolating
from .adjoints import Replay as Replay
from .as_diffrax import as_diffrax as as_diffrax
from .boundary_value import BVProblem as BVProblem
from .boundary_value import Collocation as Collocation
from .boundary_value import MultipleShooting as MultipleShooting
from .boundary_value import Shooting as Shooting
from .consistency import find_consistent as find_consistent
from .controllers import FixedStep as FixedStep
from .controllers import PIDController as PIDController
from .dae import DAEProblem as DAEProblem
from .delays.problem import DDEProblem as DDEProblem
from .events import AbstractEvent as AbstractEvent
from .events import Event as Event
from .events import PresetTimes as PresetTimes
from .events import Triggers as Triggers
from .events.manifold_projection import ManifoldProjection as ManifoldProjection
from .events.periodic import Periodic as Periodic
from .events.positivity import Positivity as Positivity
from .events.saving import Saving as Saving
from .events.step_limiter import StepLimiter as StepLimiter
from .events.terminate_steady_state import TerminateSteadyState as TerminateSteadyState
from .hamiltonian import HamiltonianProblem as HamiltonianProblem
from .implicit_dae import ImplicitDAEProblem as ImplicitDAEProblem
from .jumps import Gillespie as Gillespie
from .jumps import GroupedDirect as GroupedDirect
from .jumps import IntegratedHazard as IntegratedHazard
from .jumps import JumpProblem as JumpProblem
from .jumps import MassAction as MassAction
from .jumps import TauLeaping as TauLeaping
from .linear_solvers import GMRES as GMRES
from .linear_solvers import KLU as KLU
from .linear_solvers import AbstractLinearSolver as AbstractLinearSolver
from .linear_solvers import Direct as Direct
from .maps import Iterate as Iterate
from .maps import MapProblem as MapProblem
from .methods import (
    ABM as ABM,
)
from .methods import BDF as BDF
from .methods import ETDRK4 as ETDRK4
from .methods import (
    RK4 as RK4,
)
from .methods import (
    RKC as RKC,
)
from .methods import (
    SSPRK33 as SSPRK33,
)
from .methods import TRBDF2 as TRBDF2
from .methods import (
    VCABM as VCABM,
)
from .methods import (
    AbstractOneStepMethod as AbstractOneStepMethod,
)
from .methods import (
    AdamsBashforth as AdamsBashforth,
)
from .methods import (
    AutoSwitch as AutoSwitch,
)
from .methods import (
    Bosh3 as Bosh3,
)
from .methods import (
    Dopri5 as Dopri5,
)
from .methods import (
    Dopri8 as Dopri8,
)
from .methods import (
    Euler as Euler,
)
from .methods import (
    Heun as Heun,
)
from .methods import (
    KahanLi8 as KahanLi8,
)
from .methods import KenCarp4 as KenCarp4
from .methods import (
    Midpoint as Midpoint,
)
from .methods import RadauIIA5 as RadauIIA5
from .methods import (
    Ralston as Ralston,
)
from .methods import Rodas4 as Rodas4
from .methods import (
    Rodas5P as Rodas5P,
)
from .methods import Rosenbrock23 as Rosenbrock23
from .methods import Strang as Strang
from .methods import (
    SymplecticEuler as SymplecticEuler,
)
from .methods import (
    Tsit5 as Tsit5,
)
from .methods import (
    VelocityVerlet as VelocityVerlet,
)
from .methods import (
    Vern6 as Vern6,
)
from .methods import (
    Vern7 as Vern7,
)
from .methods import (
    Vern8 as Vern8,
)
from .methods import (
    Vern9 as Vern9,
)
from .methods import (
    Yoshida4 as Yoshida4,
)
from .methods import (
    Yoshida6 as Yoshida6,
)
from .noise import DRI1 as DRI1
from .noise import SOSRA as SOSRA
from .noise import SOSRI as SOSRI
from .noise import SRA1 as SRA1
from .noise import SRA3 as SRA3
from .noise import SRIW1 as SRIW1
from .noise import BrownianPath as BrownianPath
from .noise import EulerMaruyama as EulerMaruyama
from .noise import FreshIncrements as FreshIncrements
from .noise import ImplicitEulerMaruyama as ImplicitEulerMaruyama
from .noise import Milstein as Milstein
from .noise import SDEProblem as SDEProblem
from .noise import SKenCarp as SKenCarp
from .noise import StochasticHeun as StochasticHeun
from .problem import ODEProblem as ODEProblem
from .saveat import SaveAt as SaveAt
from .second_order import SecondOrderProblem as SecondOrderProblem
from .solution import DenseOutput as DenseOutput
from .solution import Solution as Solution
from .solution import Stats as Stats
from .solve import solve as solve
from .sparsity import check_sparsity as check_sparsity
from .sparsity import detect_sparsity as detect_sparsity
from .split import Linear as Linear
from .split import Split as Split
from .stability import Spectrum as Spectrum
from .stability import StabilityRegion as StabilityRegion
from .stability import StabilityReport as StabilityReport
from .stability import is_a_stable as is_a_stable
from .stability import is_l_stable as is_l_stable
from .stability import jacobian_spectrum as jacobian_spectrum
from .stability import multistep_stability as multistep_stability
from .stability import plot_stability_region as plot_stability_region
from .stability import stability_function as stability_function
from .stability import stability_region as stability_region
from .stability import stability_report as stability_report
from .stability import stiffness_ratio as stiffness_ratio
from .steady_state import DynamicSS as DynamicSS
from .steady_state import NewtonRaphson as NewtonRaphson
from .steady_state import PseudoTransient as PseudoTransient
from .steady_state import SteadyStateProblem as SteadyStateProblem
from .stepping import SteppingState as SteppingState
from .stepping import init as init
from .stepping import step as step
