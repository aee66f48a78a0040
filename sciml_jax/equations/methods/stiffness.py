"""When a step is held back by stiffness: at the limit of stability, or well before it at tight tolerances."""

from typing import Any

import jax.numpy as jnp
from jax import lax

LIMIT = 3.0
"""`h rho` above which stability limits a step of `Tsit5` or `Dopri5`: a little inside their stability regions."""

SLAVED = 10.0
"""How many times faster than the solution the fastest mode is where it only follows the slow ones."""

SMALL = 0.25
"""`h rho` below which a mode that only follows costs an explicit method nothing."""


def effective_h_rho(h_rho: Any, f0: tuple, f1: tuple) -> Any:
    """`h rho`, raised above the limit of stability where a mode that only follows holds the step back for accuracy.

    At tight tolerances the error of an explicit method is that of the fast mode long before `h rho` comes to the limit:
    the stages leave the slow manifold by `h^2 y''`, amplified by `(h rho)^4`. Such a mode is told from a solution that
    is as fast itself by `h rho` against the relative change of the slope over the step, `|f1 - f0| / |f0|`.
    """
    h_rho, f0, f1 = lax.stop_gradient((h_rho, f0, f1))
    change = _size(tuple(b - a for a, b in zip(f0, f1, strict=True)))
    follows = (h_rho > SMALL) & (h_rho * _size(f0) > SLAVED * change)
    return jnp.where(follows, jnp.maximum(h_rho, 2 * LIMIT), h_rho)


def _size(leaves: tuple) -> Any:
    return jnp.sqrt(sum(jnp.sum(jnp.abs(leaf) ** 2) for leaf in leaves))
