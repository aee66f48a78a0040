"""Evaluate a traced function component by component: small arrays become tuples of scalars.

XLA fuses a loop over scalars (or over equally shaped lane arrays, under ``vmap``) into one kernel, and does not do so
across ``stack``, ``concatenate``, slices, ``pad`` and ``scatter``. `evaluate` interprets a jaxpr so that these
disappear: arrays of up to `max_size` elements are object arrays of scalars, and moving elements is Python bookkeeping.

- ``values.py``: `Components`, `pack`, `unpack`, `as_components`, and the lazily packed value of the interpreter
- ``scalar.py``: one primitive applied to scalars: constant folding, binding, common subexpressions
- ``elementwise.py``: rules for elementwise primitives
- ``structural.py``: rules that only move elements (reshape, slice, concatenate, pad, ...)
- ``indexing.py``: gather, scatter, dynamic slices with indices known while tracing
- ``reductions.py``: sums, products, extrema, cumulative sums, small ``dot_general``
- ``control.py``: calls, ``cond``, ``while``, ``scan``
- ``custom.py``: functions with a derivative rule of their own
- ``interpret.py``: `evaluate`
- ``varying.py``: casts that ``shard_map`` with its check on asks for
- ``leaves.py``: values as flat operands of an inner function
- ``count.py``: `count_scalar_operations`, `should_use_components`, `contains_large_dot`
"""

from .count import contains_large_dot as contains_large_dot
from .count import count_scalar_operations as count_scalar_operations
from .count import should_use_components as should_use_components
from .interpret import evaluate as evaluate
from .values import Components as Components
from .values import as_components as as_components
from .values import pack as pack
from .values import unpack as unpack
