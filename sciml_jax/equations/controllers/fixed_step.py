"""Steps of one size."""

from typing import Any

import equinox as eqx

from .pid import as_times


class FixedStep(eqx.Module):
    """Take every step of size `dt0`, the last one shortened to end on `t1`; error estimates are ignored.

    Use it for convergence studies, for methods without an error estimate, and where every run must do the same work.

    Parameters
    ----------
    tstops
        Times that must be stepped on exactly, shape (S,): known discontinuities. Those outside the interval are
        ignored.
    """

    tstops: Any = eqx.field(default=None, converter=as_times)

    is_adaptive = False
