"""Named, tagged test problems with reference values, shared by tests, examples and benchmarks.

One file per problem: its vector field is a plain function of `(t, y, args)`, easy to copy out. Names to start from:

- `all_problems`, `with_tag`: name -> constructor, for everything or for what carries certain tags
- `ZooProblem`: a problem with its tags, references, accuracy, invariants, exact solution and source
- `TAGS`: the vocabulary of tags, with their meaning
- `linear_oscillator`, `modulated_hopf`: closed forms, linear autonomous and nonlinear nonautonomous
- `lotka_volterra`, `lorenz`, `pleiades`: nonstiff; closed orbits, chaos, seven bodies
- `robertson`, `hires`, `oregonator`, `pollution`: stiff chemistry with 3, 8, 3 and 20 species
- `e5`: four stiff reactions with concentrations over forty decades
- `van_der_pol`, `van_der_pol_scaled`: relaxation oscillations, stiffness at will
- `prothero_robinson`: a smooth solution in a field of any stiffness, for order reduction
- `brusselator_2d`, `brusselator_2d_sparsity`: stiff and large, 2 x N x N unknowns, and the pattern of its Jacobian
- `robertson_dae`, `akzo_nobel`, `transistor_amplifier`, `pendulum`: differential-algebraic, index 1
- `linear_dae`, `modulated_hopf_dae`: index 1 with closed forms, linear and nonlinear
- `pendulum_index2`, `hessenberg_index2`: index 2, the latter with a closed form
- `lynx_hare`, `LynxHare`: the Hudson's Bay Company's pelt counts, 1900-1920
"""

from .akzo_nobel import akzo_nobel as akzo_nobel
from .brusselator_2d import brusselator_2d as brusselator_2d
from .brusselator_2d import brusselator_2d_sparsity as brusselator_2d_sparsity
from .catalog import all_problems as all_problems
from .catalog import with_tag as with_tag
from .e5 import e5 as e5
from .hessenberg_index2 import hessenberg_index2 as hessenberg_index2
from .hires import hires as hires
from .linear_dae import linear_dae as linear_dae
from .linear_oscillator import linear_oscillator as linear_oscillator
from .lorenz import lorenz as lorenz
from .lotka_volterra import lotka_volterra as lotka_volterra
from .lynx_hare import LynxHare as LynxHare
from .lynx_hare import lynx_hare as lynx_hare
from .modulated_hopf import modulated_hopf as modulated_hopf
from .modulated_hopf_dae import modulated_hopf_dae as modulated_hopf_dae
from .oregonator import oregonator as oregonator
from .pendulum import pendulum as pendulum
from .pendulum import pendulum_index2 as pendulum_index2
from .pleiades import pleiades as pleiades
from .pollution import pollution as pollution
from .problem import TAGS as TAGS
from .problem import ZooProblem as ZooProblem
from .prothero_robinson import prothero_robinson as prothero_robinson
from .robertson import robertson as robertson
from .robertson import robertson_dae as robertson_dae
from .transistor_amplifier import transistor_amplifier as transistor_amplifier
from .van_der_pol import van_der_pol as van_der_pol
from .van_der_pol import van_der_pol_scaled as van_der_pol_scaled
