"""Fisher information: how sharply data determine parameters."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..core.data import Data
from ..training.linearise import forward_linearise
from .estimate import Objective
from .prediction import Predictor, check_times
from .unknowns import Unknowns


def fisher_information(
    model: Any,
    params: PyTree,
    *,
    data: Data,
    sigma: Any = 1.0,
    each_time: bool = False,
    method: Any = None,
    **options: Any,
) -> Float[Array, "params params"]:
    r"""Fisher information of normally distributed measurements, $F = \sum_m \nabla f_m \nabla f_m' / \sigma_m^2$.

    Its inverse bounds the covariance of every unbiased estimate (Cramér-Rao). The measured values do not matter, only
    when and how exactly they are measured.

    Parameters
    ----------
    model, method, options
        As for `shooting`.
    params
        Where: a pytree as the model takes (a problem's `args`).
    data
        Times, masks, `noise`. With `unknown_y0` the initial states (of `y0`, or the middle of their bounds) are
        parameters too.
    sigma
        Standard deviation of the noise where the data give none.
    each_time
        Return the contribution of every time, shape (E, T, P, P); `optimal_weights` takes them.

    Returns
    -------
    Array
        Shape (P, P) in the order of the flattened floats of `params`.

    Notes
    -----
    Cost: P tangents of a solve. Pure: under `jit`, `vmap`, `jvp`.
    """
    predictor = Predictor(model, data, method, options)
    unknowns = Unknowns(params, data)
    check_times(model, data)
    objective = Objective(predictor, params, None, None)
    _, jacobian = forward_linearise(objective.residuals)(unknowns.initial)
    if data.noise is None:
        jacobian = jacobian / sigma
    if not each_time:
        return jacobian.T @ jacobian
    rows = jacobian.reshape(*data.ys.shape, -1)
    return jnp.einsum("etci,etcj->etij", rows, rows)
