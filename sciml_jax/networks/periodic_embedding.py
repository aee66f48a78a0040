"""Coordinates on a circle: what is computed from them is periodic exactly, with all its derivatives."""

import math
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.checks import check_scalar
from .arguments import as_size, check_point


class PeriodicEmbedding(eqx.Module):
    r"""Replaces each periodic coordinate by $\cos(2 \pi k z_i / P_i), \sin(2 \pi k z_i / P_i)$, $k = 1 \dots m$.

    Any network of these is periodic in them to rounding, and so are all its derivatives: no periodic boundary condition
    is left to train. Coordinates without a period pass unchanged.

    Parameters
    ----------
    periods
        One entry per coordinate: its period, or None for a coordinate that is not periodic.
    harmonics
        m, the multiples of the basic frequency that are offered.

    Raises
    ------
    TypeError, ValueError
        For periods that are not positive numbers, and, when called, for anything but one point (in_size,).

    Notes
    -----
    `embedding(z)` maps (in_size,) to (out_size,): coordinates in their order, each periodic one giving `2 harmonics`
    numbers. Periods are fixed; a solution with an unknown period needs it as a parameter of the residual.

    References
    ----------
    Dong, Ni: A method for representing periodic functions and enforcing exactly periodic boundary conditions with deep
    neural networks, J. Comput. Phys. 435 (2021).
    """

    periods: tuple[float | None, ...] = eqx.field(static=True)
    harmonics: int = eqx.field(static=True)

    def __init__(self, periods: Sequence[float | None], *, harmonics: int = 1):
        if isinstance(periods, (int, float)) or not len(tuple(periods)):
            msg = (
                f"`periods` must hold one entry per coordinate; got {periods!r}. Pass, for example, `(None, 2.0)` for "
                "a period of 2 in the second of two coordinates."
            )
            raise ValueError(msg)
        for period in periods:
            if period is None:
                continue
            check_scalar(period, "period")
            if not 0 < float(period) < math.inf:
                msg = f"a period must be positive and finite; got {period}. Pass None where there is none."
                raise ValueError(msg)
        self.periods = tuple(None if period is None else float(period) for period in periods)
        self.harmonics = as_size(harmonics, "harmonics")

    @property
    def in_size(self) -> int:
        """Number of coordinates."""
        return len(self.periods)

    @property
    def out_size(self) -> int:
        """Number of numbers that take their place."""
        return sum(1 if period is None else 2 * self.harmonics for period in self.periods)

    def __call__(self, z: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        """One point with its periodic coordinates on circles."""
        check_point(z, self.in_size, "embedding(z)")
        parts = []
        for i, period in enumerate(self.periods):
            if period is None:
                parts.append(z[i : i + 1])
                continue
            angles = (2 * math.pi / period) * jnp.arange(1, self.harmonics + 1, dtype=z.dtype) * z[i]
            parts += [jnp.cos(angles), jnp.sin(angles)]
        return jnp.concatenate(parts)
