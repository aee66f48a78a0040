"""Arithmetic that knows no equations.

- `components/`: evaluate a traced function component by component.
- `linear_solve`: one factorisation, many solves, differentiably; `small_lu` (unrolled), `dense_lu` (loops).
- `hoist`: a function traced with everything that it closes over as operands.
- `combine`, `interpolation`: linear combinations and interpolants of states held as tuples of arrays.
- `flatten`: pytrees as real vectors. `loops`: loops that work inside `shard_map`.
- `tabulated`: functions of time through tables; `interpolation_kinds`: how. `search`: where in a sorted array.
"""

from .interpolation_kinds import CubicSpline as CubicSpline
from .interpolation_kinds import Pchip as Pchip
from .interpolation_kinds import PiecewiseConstant as PiecewiseConstant
from .interpolation_kinds import PiecewiseLinear as PiecewiseLinear
from .tabulated import Interpolant as Interpolant
from .tabulated import interpolate as interpolate
