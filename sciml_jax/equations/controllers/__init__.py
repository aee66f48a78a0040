"""How step sizes are chosen.

- `PIDController`: from an error estimate, so that the local error stays below the tolerance.
- `FixedStep`: every step is `dt0`.
"""

from .fixed_step import FixedStep as FixedStep
from .pid import PIDController as PIDController
