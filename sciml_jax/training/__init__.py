"""Minimise ``loss_fn(params, batch, key)``. Knows no models and no equations.

==================== =====================================================================================
`run`                pure: one scan, composes under ``jit``, ``vmap`` and ``grad``
`fit`                the same steps in compiled blocks from the host: progress, checkpoints, Ctrl-C, host batches
`minibatches`        shuffled minibatches as a pure function of the step
`RunResult`          what `run` returns
`FitResult`          what `fit` returns
`FitStatus`          how a run ended, with the remedy
`least_squares`      nonlinear least squares within bounds, pure, under ``vmap``: `BoundedLevenbergMarquardt`, with the
                     coordinates `Identity`, `Log`, `Logit`; returns a `LeastSquaresResult` with a `LeastSquaresStatus`
`Frozen`             marks a part of the parameters that is not trained
`ss_broyden`         Optax transformation: self-scaled Broyden quasi-Newton, dense, float64, with a line search
`soap`               Optax transformation: Adam in the eigenbasis of Shampoo, safe in float32
`natural_gradient`   Optax transformation: Gauss-Newton by conjugate gradients, without a matrix
`loss_curve`         a picture of the losses of a run
==================== =====================================================================================

Inside: ``step`` (the step both share), ``gradient_step`` (Optax), ``quasi_newton`` (Optimistix), ``objective`` (the
loss as a function of the trained arrays), ``data_parallel`` (several devices), ``batches``, ``resume`` (the checkpoint
of a run), ``progress``, ``checks``; ``bounded_step`` (the step of least squares), ``transforms``, ``parameter_vector``
(parameters in any pytree as one vector with names and bounds); ``nystrom`` (the preconditioner of natural gradients).
"""

from ..core.frozen import Frozen as Frozen
from .batches import Minibatches as Minibatches
from .batches import minibatches as minibatches
from .bounded_least_squares import BoundedLevenbergMarquardt as BoundedLevenbergMarquardt
from .bounded_least_squares import LeastSquaresResult as LeastSquaresResult
from .bounded_least_squares import least_squares as least_squares
from .fit import fit as fit
from .least_squares_status import LeastSquaresStatus as LeastSquaresStatus
from .loss_curve import loss_curve as loss_curve
from .natural_gradient import natural_gradient as natural_gradient
from .result import FitResult as FitResult
from .result import RunResult as RunResult
from .run import run as run
from .soap import scale_by_soap as scale_by_soap
from .soap import soap as soap
from .ss_broyden import scale_by_ss_broyden as scale_by_ss_broyden
from .ss_broyden import ss_broyden as ss_broyden
from .status import FitStatus as FitStatus
from .transforms import Identity as Identity
from .transforms import Log as Log
from .transforms import Logit as Logit
