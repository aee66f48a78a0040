"""Krylov iterations for large linear systems, and preconditioners for `shift I - J`.

- `gmres`: the solve, its derivative, its batches. `iteration`: cycles and restarts; `arnoldi`: one cycle;
  `checks`: what may be passed.
- `preconditioner`: what a preconditioner is, and one from a function. `entries`: where they read the Jacobian.
- `jacobi`, `block_jacobi`: stiffness that is local. `line_adi`: transport along the axes of a grid, by `tridiagonal`
  solves. `fourier_diffusion`: periodic diffusion. `grid`: which unknowns are neighbours.

Incomplete factorisation is left out: its triangular solves go level by level (128 levels each on a 64 x 64 grid of two
fields), so that one application takes as long as four sweeps of `LineADI`, and GMRES needs 65 iterations instead of 5.
"""

from .block_jacobi import BlockJacobi as BlockJacobi
from .entries import dense_entries as dense_entries
from .entries import probed_entries as probed_entries
from .entries import stored_entries as stored_entries
from .fourier_diffusion import FourierDiffusion as FourierDiffusion
from .gmres import KrylovInfo as KrylovInfo
from .gmres import gmres as gmres
from .jacobi import Jacobi as Jacobi
from .line_adi import LineADI as LineADI
from .preconditioner import AbstractPreconditioner as AbstractPreconditioner
from .preconditioner import FunctionPreconditioner as FunctionPreconditioner
from .preconditioner import JacobianData as JacobianData
from .preconditioner import as_preconditioner as as_preconditioner
from .tridiagonal import TridiagonalFactors as TridiagonalFactors
from .tridiagonal import tridiagonal_factor as tridiagonal_factor
from .tridiagonal import tridiagonal_solve as tridiagonal_solve
