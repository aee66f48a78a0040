"""How derivatives of a solve are computed; `docs/guide/adjoints.md` has the table that compares them.

- `abstract`: the protocol. `default`: which one `adjoint=None` takes.
- `replay`: the discrete derivative from a record of all steps. `checkpointed`: the same with less memory;
  `checkpoints` holds its loops and `derivative_rule` states it to JAX.
- `interpolating`, `gauss`, `backsolve`: the adjoint equation, integrated backwards; `continuous` is what they share,
  `backward_pass` the way from the end to the beginning, `trajectory` the forward solution that the first two read.
- `forward_sensitivity`: the variational equations, integrated with the solution; `variational` makes them.
- `implicit`: steady states, by the implicit function theorem.
- `plans`: plans that differ from a given one. `tolerance`: an adjoint's own.
"""

from .abstract import AbstractAdjoint as AbstractAdjoint
from .backsolve import Backsolve as Backsolve
from .checkpointed import Checkpointed as Checkpointed
from .default import default_adjoint as default_adjoint
from .forward_sensitivity import ForwardSensitivity as ForwardSensitivity
from .gauss import Gauss as Gauss
from .implicit import ImplicitAdjoint as ImplicitAdjoint
from .interpolating import Interpolating as Interpolating
from .replay import Replay as Replay
