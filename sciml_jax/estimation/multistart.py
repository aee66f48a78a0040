"""Least squares of any function from several starts at once."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..core.callables import as_callable
from ..core.data import Data
from ..training.bounded_least_squares import BoundedLevenbergMarquardt
from ..training.linearise import as_vector
from .result import Estimate
from .shooting import shooting
from .unknowns import template_of


class ResidualModel(eqx.Module):
    """Residuals as predictions of zeros."""

    function: Callable

    def __call__(self, params: PyTree) -> Any:
        """Shape (M, 1)."""
        return as_vector(self.function(params))[:, None]


def multistart(
    residuals: Callable,
    *,
    bounds: tuple[PyTree, PyTree] | None = None,
    starts: int | PyTree = 16,
    initial: PyTree = None,
    key: Any = None,
    optimizer: BoundedLevenbergMarquardt = BoundedLevenbergMarquardt(),
    noise_is_known: bool = False,
) -> Estimate:
    """Minimise half the sum of squared residuals of a function within bounds, from many starts in one compiled program.

    Parameters
    ----------
    residuals
        `params -> residuals`, a pytree of real arrays: anything that can be compared with data, such as steady states,
        boundary values, averages.
    bounds, starts, initial, key, optimizer
        As for `shooting`.
    noise_is_known
        Whether the residuals are in units of the standard deviation of the noise; otherwise that is estimated.

    Returns
    -------
    Estimate
        With `residuals` of shape (1, M, 1).

    Raises
    ------
    ValueError, TypeError
        As `shooting`.
    """
    template, _ = template_of(residuals, initial, bounds)
    shape = jax.eval_shape(lambda params: as_vector(residuals(params)), template)
    zeros = jnp.zeros((shape.shape[0], 1), shape.dtype)
    data = Data(jnp.zeros(shape.shape[0], shape.dtype), zeros, noise=1.0 if noise_is_known else None)
    model = ResidualModel(as_callable(residuals, "residuals", "params"))
    return shooting(model, data=data, bounds=bounds, starts=starts, initial=initial, key=key, optimizer=optimizer)
