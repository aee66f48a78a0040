"""Arithmetic that knows no equations.

- `components/`: evaluate a traced function component by component.
- `linear_solve`: one factorisation, many solves, differentiably; `small_lu` (unrolled), `dense_lu` (loops).
- `sparse_elimination`: LU written out on a sparse order, for small systems with few entries and no row exchanges.
- `sparsity`: patterns of sparse matrices; `sparsity_sources`: where they come from; `check_sparsity`: whether they hold
  everything. `coloring`, `compressed_jacobian`: sparse Jacobians from few products. `sparse_matrix`: products, shifts.
- `sparse_direct`, `direct_structure`: sparse systems through `banded_lu`, `block_tridiagonal` or `dense_lu`, after
  `reordering`; `sparse_klu`: through KLU, an optional package.
- `hoist`: a function traced with everything that it closes over as operands.
- `combine`, `interpolation`: linear combinations and interpolants of states held as tuples of arrays.
- `flatten`: pytrees as real vectors. `loops`: loops that work inside `shard_map`.
- `tabulated`: functions of time through tables; `interpolation_kinds`: how. `search`: where in a sorted array.
"""

from .interpolation_kinds import CubicSpline as CubicSpline
from .interpolation_kinds import Pchip as Pchip
from .interpolation_kinds import PiecewiseConstant as PiecewiseConstant
from .interpolation_kinds import PiecewiseLinear as PiecewiseLinear
from .krylov import AbstractPreconditioner as AbstractPreconditioner
from .krylov import BlockJacobi as BlockJacobi
from .krylov import FourierDiffusion as FourierDiffusion
from .krylov import Jacobi as Jacobi
from .krylov import LineADI as LineADI
from .sparsity import SparsityPattern as SparsityPattern
from .tabulated import Interpolant as Interpolant
from .tabulated import interpolate as interpolate
