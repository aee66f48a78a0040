"""Semilinear parabolic equations in many dimensions, through backward stochastic differential equations.

================== ==========================================================================================
`ParabolicProblem` the equation with its terminal condition; what `z` means is declared
`FeynmanKac`       linear equations: quasi-Monte Carlo, steps extrapolated
`MultilevelPicard` semilinear ones without a network
`DeepBSDE`         a network for Z = sigma^T grad u, a number for u0, and a correction of both by fresh paths
`FBSNN`            a network for u(t, x), then the same correction
`DBDP1`, `DBDP2`   networks trained backward step by step; with an obstacle also for optimal stopping
`DeepSplitting`    the same by regression, the driver explicit
`BSDESolution`     `u0` with its standard error and error, `sol(t, x)`, `sol.gradient(t, x)`, `sol.z(t, x)`
`BSDEStatus`       how a solve ended, with the remedy
================== ==========================================================================================

All through `sj.solve(problem, method, key=...)`. Inside: `problem_checks`; `base`, `compiled` (what all methods share);
`increments`, `lattice`, `paths` (noise and paths); `picard_tree` (samples of `MultilevelPicard`), `dependence`;
`backward`, `stopping` (networks of all steps, trained from the end; obstacles); `learned`, `models`, `scaling`
(training, networks, their scales and first guess), `correction` (the value from Z).
"""

from .dbdp import DBDP1 as DBDP1
from .dbdp import DBDP2 as DBDP2
from .deep_bsde import DeepBSDE as DeepBSDE
from .deep_splitting import DeepSplitting as DeepSplitting
from .fbsnn import FBSNN as FBSNN
from .feynman_kac import FeynmanKac as FeynmanKac
from .multilevel_picard import MultilevelPicard as MultilevelPicard
from .problem import ParabolicProblem as ParabolicProblem
from .solution import BSDESolution as BSDESolution
from .status import BSDEStatus as BSDEStatus
