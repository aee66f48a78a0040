"""Run a function for many inputs: on one device, on several, on several machines. Knows no equations.

==================================== ==================================================================
`ensemble`                           `fn` for every member of a batch: sorted, chunked, one program per device
`EnsembleResult`, `Failure`          what it returns, and the members that failed
`mean`, `variance`, `quantiles`      reductions that stream over the members
`AbstractReduction`                  the protocol of a reduction
`initialize`, `ProcessInfo`          join the processes of a SLURM, Open MPI or hand-started run
==================================== ==================================================================

Inside: ``members`` (the inputs), ``program`` (the compiled chunk), ``plan`` (sizes and order of chunks),
``predict_cost``, ``dispatch`` (devices and their threads), ``driver`` (one call of `ensemble`), ``resume`` (chunks on
disk), ``processes`` (shares and the gather at the end), ``placement``, ``progress``, ``cluster`` (who started us).
"""

from .ensemble import ensemble as ensemble
from .initialize import ProcessInfo as ProcessInfo
from .initialize import initialize as initialize
from .reductions import AbstractReduction as AbstractReduction
from .reductions import mean as mean
from .reductions import quantiles as quantiles
from .reductions import variance as variance
from .result import EnsembleResult as EnsembleResult
from .result import Failure as Failure
