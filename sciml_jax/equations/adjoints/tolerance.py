"""Tolerances that are part of the program."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from ...core.checks import check_tolerance


def as_tolerance(value: Any) -> float | None:
    """A number that is not negative as a Python float; None as None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)):
        msg = (
            "`rtol` and `atol` of an adjoint are part of the program and must be Python floats; got "
            f"{value!r} ({type(value).__name__}). Pass, for example, `rtol=1e-8`."
        )
        raise TypeError(msg)
    check_tolerance(float(value), "rtol or atol of an adjoint", jnp.zeros(()))
    return float(value)
