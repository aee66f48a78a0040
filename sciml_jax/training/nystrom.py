"""A randomised preconditioner for conjugate gradients."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def nystrom_preconditioner(
    product: Callable[[Array], Array], key: Any, n: int, rank: int, damping: Any, dtype: Any
) -> Callable[[Float[Array, " n"]], Float[Array, " n"]]:
    r"""An approximate inverse of $A + \mu I$ for a positive semidefinite A from `rank` products with it.

    With the Nystrom approximation $A \approx U \Lambda U^T$ from a random sketch,
    $P^{-1} v = (\lambda_{\mathrm{rank}} + \mu) U (\Lambda + \mu)^{-1} U^T v + v - U U^T v$: directions of large
    eigenvalues are solved for, the rest is left to the iteration.

    Parameters
    ----------
    product
        `v -> A v`, (n,) to (n,).
    key
        PRNG key of the sketch.
    n, rank
        Sizes; `rank <= n`.
    damping
        The shift, positive.
    dtype
        Of the vectors.

    Returns
    -------
    A function (n,) to (n,).

    Notes
    -----
    Costs `rank` products, a QR of (n, rank) and memory `n rank`.

    References
    ----------
    Frangella, Tropp, Udell: Randomized Nystrom preconditioning, SIAM J. Matrix Anal. Appl. 44 (2023). Rathore et al.:
    Challenges in training PINNs: a loss landscape perspective, ICML 2024.
    """
    sketch = jnp.linalg.qr(jax.random.normal(key, (n, rank), dtype))[0]
    image = jax.vmap(product, in_axes=1, out_axes=1)(sketch)
    shift = jnp.sqrt(jnp.asarray(n, dtype)) * jnp.finfo(dtype).eps * jnp.linalg.norm(image)
    image = image + shift * sketch
    core = sketch.T @ image
    factor = jnp.linalg.cholesky(0.5 * (core + core.T))
    root = jax.scipy.linalg.solve_triangular(factor, image.T, lower=True).T
    vectors, values, _ = jnp.linalg.svd(root, full_matrices=False)
    eigenvalues = jnp.maximum(values**2 - shift, 0)

    def precondition(v: Array) -> Array:
        inside = vectors.T @ v
        scaled = (eigenvalues[-1] + damping) / (eigenvalues + damping) * inside
        # A sketch that failed for lack of precision leaves the iteration as it would be without.
        better = v + vectors @ (scaled - inside)
        return jnp.where(jnp.all(jnp.isfinite(better)), better, v)

    return precondition
