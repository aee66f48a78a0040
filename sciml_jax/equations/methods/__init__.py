"""Methods for ordinary differential equations. One method per file.

Explicit (not for stiff problems): `Euler` (1), `Heun` (2), `Midpoint` (2), `Ralston` (2), `Bosh3` (3), `RK4` (4),
`Tsit5` (5), `Dopri5` (5), `Vern6` (6), `Vern7` (7), `Vern8` (8), `Dopri8` (8), `Vern9` (9).
Strong-stability preserving (conservation laws, fixed steps): `SSPRK33` (3). Stabilised (diffusion): `RKC` (2).
Multistep (expensive, smooth vector fields): `AdamsBashforth` (1-6), `ABM` (2-6), `VCABM` (chooses its order, to 12).
Linearly implicit (stiff, up to a hundred unknowns): `Rosenbrock23` (2), `Rodas4` (4), `Rodas5P` (5).
Implicit (stiff): `BDF` (multistep, chooses its order, to 5), `TRBDF2` (2), `KenCarp4` (4), `RadauIIA5` (5).
Semilinear and split (`Split` vector fields): `ETDRK4` (4), `Strang` (2); `KenCarp4` is implicit-explicit there.
Symplectic (separable second-order and Hamiltonian problems, fixed steps): `SymplecticEuler` (1), `VelocityVerlet` (2),
`Yoshida4` (4), `Yoshida6` (6), `KahanLi8` (8).

Shared: `one_step` (the protocol), `explicit_runge_kutta` and `rosenbrock` (steps from a tableau),
`continuous_extension` (dense output of high order), `chebyshev_coefficients` and `spectral_radius` (for `RKC`),
`multistep`, `adams_fixed_order` and `adams_coefficients` (Adams methods on unequal steps),
`implicit_stage` and `simplified_newton` (stages with a kept factorisation), `operator_functions` (of a linear part),
`symplectic`, `leapfrog_composition`, `separable` and `slope_interpolation` (symplectic steps and their dense output).
"""

from .abm import ABM as ABM
from .adams_bashforth import AdamsBashforth as AdamsBashforth
from .auto_switch import AutoSwitch as AutoSwitch
from .bdf import BDF as BDF
from .bosh3 import Bosh3 as Bosh3
from .dopri5 import Dopri5 as Dopri5
from .dopri8 import Dopri8 as Dopri8
from .etdrk4 import ETDRK4 as ETDRK4
from .euler import Euler as Euler
from .heun import Heun as Heun
from .kahan_li8 import KahanLi8 as KahanLi8
from .kencarp4 import KenCarp4 as KenCarp4
from .midpoint import Midpoint as Midpoint
from .one_step import AbstractOneStepMethod as AbstractOneStepMethod
from .radau import RadauIIA5 as RadauIIA5
from .ralston import Ralston as Ralston
from .rk4 import RK4 as RK4
from .rkc import RKC as RKC
from .rodas4 import Rodas4 as Rodas4
from .rodas5p import Rodas5P as Rodas5P
from .rosenbrock23 import Rosenbrock23 as Rosenbrock23
from .ssprk33 import SSPRK33 as SSPRK33
from .strang import Strang as Strang
from .symplectic_euler import SymplecticEuler as SymplecticEuler
from .trbdf2 import TRBDF2 as TRBDF2
from .tsit5 import Tsit5 as Tsit5
from .vcabm import VCABM as VCABM
from .velocity_verlet import VelocityVerlet as VelocityVerlet
from .vern6 import Vern6 as Vern6
from .vern7 import Vern7 as Vern7
from .vern8 import Vern8 as Vern8
from .vern9 import Vern9 as Vern9
from .yoshida4 import Yoshida4 as Yoshida4
from .yoshida6 import Yoshida6 as Yoshida6
