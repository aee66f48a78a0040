"""Minimise ``loss_fn(params, batch, key)``. Knows no models and no equations.

==================== =====================================================================================
`run`                pure: one scan, composes under ``jit``, ``vmap`` and ``grad``
`fit`                the same steps in compiled blocks from the host: progress, checkpoints, Ctrl-C, host batches
`minibatches`        shuffled minibatches as a pure function of the step
`RunResult`          what `run` returns
`FitResult`          what `fit` returns
`FitStatus`          how a run ended, with the remedy
==================== =====================================================================================

Inside: ``step`` (the step both share), ``gradient_step`` (Optax), ``quasi_newton`` (Optimistix), ``objective`` (the
loss as a function of the trained arrays), ``data_parallel`` (several devices), ``batches``, ``resume`` (the checkpoint
of a run), ``progress``, ``checks``.
"""

from .batches import Minibatches as Minibatches
from .batches import minibatches as minibatches
from .fit import fit as fit
from .result import FitResult as FitResult
from .result import RunResult as RunResult
from .run import run as run
from .status import FitStatus as FitStatus
