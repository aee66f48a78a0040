"""How often to measure what: the convex relaxation of choosing measurements."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..core.checks import check_instance
from .optimality import AbstractCriterion, DOptimal


class Weights(eqx.Module):
    """Shares of the measurements."""

    weights: Float[Array, " candidates"]
    """Non-negative, of sum 1. Most are 0: P (P + 1) / 2 at most are needed."""
    value: Float[Array, ""]
    """The criterion of the weighted information."""
    information: Float[Array, "params params"]
    """That information, for one measurement altogether; multiply by how many there are."""
    gap: Float[Array, ""]
    """Upper bound on how much larger the criterion can be, relative to P for `DOptimal` and to its value for
    `AOptimal`; 0 at the optimum."""


def optimal_weights(
    informations: Float[Array, "candidates params params"],
    *,
    criterion: AbstractCriterion = DOptimal(),
    num_steps: int = 2000,
) -> Weights:
    r"""Shares $w$ of candidate measurements that maximise $\phi(\sum_i w_i F_i)$.

    Multiplies every weight by (a power of) the gain that it brings until all that are left bring the same (Silvey,
    Titterington & Torsney). The problem is concave: no starts, no local maxima.

    Parameters
    ----------
    informations
        Fisher information of each candidate, any axes in front: what `fisher_information(..., each_time=True)` returns.
    criterion
        `DOptimal()` or `AOptimal(weights)`.
    num_steps
        Iterations, cheap ones.

    Returns
    -------
    Weights
        `weights` of the shape of the axes in front, `gap`.

    Raises
    ------
    ValueError
        For arrays that do not end in (P, P).

    References
    ----------
    Yu, Monotonic convergence of a general algorithm for computing optimal designs, Ann. Statist. 38 (2010) 1593-1606.
    """
    check_instance(criterion, AbstractCriterion, "criterion", "DOptimal()")
    informations = jnp.asarray(informations)
    if informations.ndim < 3 or informations.shape[-1] != informations.shape[-2]:
        msg = (
            f"`informations` must have shape (candidates, P, P); got {informations.shape}. Stack one for each "
            "candidate."
        )
        raise ValueError(msg)
    lead = informations.shape[:-2]
    flat = informations.reshape(-1, *informations.shape[-2:])
    total = lambda w: jnp.einsum("i,ijk->jk", w, flat)
    gains = jax.grad(lambda w: criterion(total(w)))

    def step(w, _: Any):
        gain = jnp.maximum(gains(w), 0) ** criterion.power
        new = w * gain
        return new / jnp.sum(new), None

    start = jnp.full(flat.shape[0], 1 / flat.shape[0], flat.dtype)
    w, _ = lax.scan(step, start, length=num_steps)
    gain = gains(w)
    mean = jnp.dot(w, gain)
    information = total(w)
    return Weights(w.reshape(lead), criterion(information), information, jnp.max(gain) / mean - 1)
