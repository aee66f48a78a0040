"""Times with respect to which solutions with noise have no derivative."""

import functools
from typing import Any

import jax

from ..core.tree import is_concrete


def guarded(t: Any) -> Any:
    """The same time, which refuses to be differentiated."""
    return t if is_concrete(t) else _refused(t)


@functools.partial(jax.custom_jvp)
def _refused(t: Any) -> Any:
    return t


def _refuse(primals: Any, tangents: Any) -> Any:
    (t,), (tangent,) = primals, tangents
    if not isinstance(tangent, jax.custom_derivatives.SymbolicZero):
        msg = (
            "Solutions with noise have no derivative with respect to `t0`, `t1` and save times, nor to given times of "
            "events, because a Brownian path has none; got one that is differentiated. Differentiate with respect to "
            "`y0` and `args` only, or stop it: `jax.lax.stop_gradient(t1)`."
        )
        raise ValueError(msg)
    return t, tangent


_refused.defjvp(_refuse, symbolic_zeros=True)
