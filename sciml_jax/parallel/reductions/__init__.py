"""Reductions that stream over the members of an ensemble, chunk by chunk.

- `base`: `AbstractReduction`, the protocol.
- `moments`: `mean`, `variance`.
- `quantiles`: `quantiles`, from a sketch with a bounded rank error.
"""

from .base import AbstractReduction as AbstractReduction
from .moments import mean as mean
from .moments import variance as variance
from .quantiles import quantiles as quantiles
