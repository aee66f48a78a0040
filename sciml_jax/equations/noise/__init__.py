"""Stochastic differential equations `dy = f(t, y) dt + g(t, y) dW`.

- `problem`: the problem. `conversion`: from Stratonovich's interpretation to Ito's.
- `path`: the Brownian path of a key, to be read anywhere. `fresh_increments`: increments drawn step by step instead.
- `method`: what all methods share. What they see of the noise in a step is `engine/noise.py`.
- `times`: steps end on save times, and times are not differentiated.
- Any noise: `euler_maruyama`, `implicit_euler_maruyama` (stiff drift), `stochastic_heun` (Stratonovich), `dri1` (weak
  order 2; `columns` serves it). Diagonal or scalar noise: `milstein` (strong order 1), `sriw1`, `sosri` (1.5, adaptive;
  the scheme is in `sri`). Additive noise: `sra1`, `sra3`, `sosra` (1.5, adaptive; `sra`), `skencarp` (the same for
  stiff drift).
"""

from .dri1 import DRI1 as DRI1
from .euler_maruyama import EulerMaruyama as EulerMaruyama
from .fresh_increments import FreshIncrements as FreshIncrements
from .implicit_euler_maruyama import ImplicitEulerMaruyama as ImplicitEulerMaruyama
from .milstein import Milstein as Milstein
from .path import BrownianPath as BrownianPath
from .problem import SDEProblem as SDEProblem
from .skencarp import SKenCarp as SKenCarp
from .sosra import SOSRA as SOSRA
from .sosri import SOSRI as SOSRI
from .sra1 import SRA1 as SRA1
from .sra3 import SRA3 as SRA3
from .sriw1 import SRIW1 as SRIW1
from .stochastic_heun import StochasticHeun as StochasticHeun
