"""Named, tagged test problems with reference values, shared by tests, examples and benchmarks.

One file per problem: its vector field is a plain function of `(t, y, args)`, easy to copy out. Names to start from:

- `all_problems`, `with_tag`: name -> constructor, for everything or for what carries certain tags
- `ZooProblem`: a problem with its tags, references, accuracy, invariants, exact solution and source
- `TAGS`: the vocabulary of tags, with their meaning
- `linear_oscillator`, `modulated_hopf`: closed forms, linear autonomous and nonlinear nonautonomous
- `lotka_volterra`, `lorenz`, `pleiades`: nonstiff; closed orbits, chaos, seven bodies
- `robertson`, `hires`, `oregonator`, `pollution`: stiff chemistry with 3, 8, 3 and 20 species
- `van_der_pol`, `van_der_pol_scaled`: relaxation oscillations, stiffness at will
- `lynx_hare`, `LynxHare`: the Hudson's Bay Company's pelt counts, 1900-1920
"""

from .catalog import all_problems as all_problems
from .catalog import with_tag as with_tag
from .hires import hires as hires
from .linear_oscillator import linear_oscillator as linear_oscillator
from .lorenz import lorenz as lorenz
from .lotka_volterra import lotka_volterra as lotka_volterra
from .lynx_hare import LynxHare as LynxHare
from .lynx_hare import lynx_hare as lynx_hare
from .modulated_hopf import modulated_hopf as modulated_hopf
from .oregonator import oregonator as oregonator
from .pleiades import pleiades as pleiades
from .pollution import pollution as pollution
from .problem import TAGS as TAGS
from .problem import ZooProblem as ZooProblem
from .robertson import robertson as robertson
from .van_der_pol import van_der_pol as van_der_pol
from .van_der_pol import van_der_pol_scaled as van_der_pol_scaled
