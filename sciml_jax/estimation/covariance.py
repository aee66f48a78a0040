"""The covariance of estimated parameters, and which of them the data determine."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

LARGEST_SHARE = 1e-4
"""Share of a parameter in undetermined directions above which it counts as undetermined."""


class Covariance(NamedTuple):
    """Of P parameters, for residuals of unit variance."""

    matrix: Float[Array, "params params"]
    """Infinite variances and NaN covariances for parameters that are not identifiable."""
    identifiable: Bool[Array, " params"]
    """Which parameters the residuals determine (locally, to first order)."""
    singular_values: Float[Array, " params"]
    """Of the Jacobian with columns of unit length: a small ratio means that parameters can stand in for each other."""


def covariance_of(jacobian: Float[Array, "residuals params"], tolerance: float | None = None) -> Covariance:
    """`(J' J)^-1` through the singular values of J with columns of unit length.

    Parameters
    ----------
    jacobian
        Derivatives of the scaled residuals, shape (M, P).
    tolerance
        Singular values below this, relative to the largest, count as zero; None: the root of the precision. Directions
        that belong to them are undetermined, and so is every parameter with a share in one.
    """
    count = jacobian.shape[1]
    tolerance = float(np.sqrt(jnp.finfo(jacobian.dtype).eps)) if tolerance is None else tolerance
    lengths = jnp.linalg.norm(jacobian, axis=0)
    lengths = jnp.where(lengths > 0, lengths, 1)
    # Rows of zeros change nothing; without them too few residuals would hide directions.
    rows = jnp.concatenate([jacobian / lengths, jnp.zeros((count, count), jacobian.dtype)])
    triangle = jnp.linalg.qr(jnp.where(jnp.isfinite(rows), rows, 0), mode="r")
    _, values, directions = jnp.linalg.svd(triangle)
    kept = values > tolerance * jnp.maximum(values[0], jnp.finfo(jacobian.dtype).tiny)
    share = jnp.sum(jnp.where(kept[:, None], 0, directions**2), axis=0)
    identifiable = share <= LARGEST_SHARE
    weighted = directions * jnp.where(kept, 1 / jnp.where(kept, values, 1), 0)[:, None] / lengths
    matrix = weighted.T @ weighted
    both = identifiable[:, None] & identifiable[None, :]
    undetermined = jnp.where(jnp.eye(count, dtype=bool), jnp.inf, jnp.nan)
    return Covariance(jnp.where(both, matrix, undetermined), identifiable, values)
