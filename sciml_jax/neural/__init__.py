"""Neural differential equations: models with networks in them, called with data, trained by `sj.training`.

========================= ======================================================================================
`NeuralODE`               `dy/dt = net(y)`
`AugmentedNeuralODE`      the same with additional dimensions
`Universal`               known terms, and networks anywhere among them
`HamiltonianNN`           Hamilton's equations of a network's energy
`NeuralDDE`, `NeuralDAE`  delays; algebraic constraints or a mass matrix
`NeuralSDE`               networks for drift and diffusion
`NeuralJumpSDE`           the same with jumps, whose rates and sizes are networks
`NeuralCDE`               a state driven by data: irregular times, missing values
`FFJORD`                  densities and samples by a continuous flow
========================= ======================================================================================

Inside: `model` (what all share), `settings` (the options of their solves), `fields` (vector fields made of networks),
`network_checks`; for `NeuralCDE` `control_path`, `path_kinds`, `missing_values`; for `FFJORD` `trace_estimators`.
`Normalise` is re-exported from `networks`, `Frozen` from `training`.
"""

from ..networks import Normalise as Normalise
from ..training import Frozen as Frozen
from .augmented import AugmentedNeuralODE as AugmentedNeuralODE
from .ffjord import FFJORD as FFJORD
from .ffjord import FlowCosts as FlowCosts
from .hamiltonian import HamiltonianNN as HamiltonianNN
from .neural_cde import NeuralCDE as NeuralCDE
from .neural_dae import NeuralDAE as NeuralDAE
from .neural_dde import NeuralDDE as NeuralDDE
from .neural_jump_sde import NeuralJumpSDE as NeuralJumpSDE
from .neural_ode import NeuralODE as NeuralODE
from .neural_sde import NeuralSDE as NeuralSDE
from .path_kinds import AbstractPathKind as AbstractPathKind
from .path_kinds import BackwardHermite as BackwardHermite
from .path_kinds import LinearPath as LinearPath
from .path_kinds import Rectilinear as Rectilinear
from .trace_estimators import AbstractTrace as AbstractTrace
from .trace_estimators import ExactTrace as ExactTrace
from .trace_estimators import Hutchinson as Hutchinson
from .universal import Universal as Universal
