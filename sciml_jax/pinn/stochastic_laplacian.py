"""Second-order operators in many dimensions, estimated from a few random directions."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .taylor import along


class AbstractDirections(eqx.Module):
    """Random directions `v` with the mean of `v v^T` the identity."""

    @abc.abstractmethod
    def draw(self, key: Any, num: int, d: int, dtype: Any) -> Float[Array, "num d"]:
        """`num` directions of `d` components."""


class RandomAxes(AbstractDirections):
    """Coordinate axes without repetition, scaled by `sqrt(d)`: no variance for operators whose terms are alike.

    The variance is that of the terms `d^2 f / dz_i^2` over `i`, and zero once all axes are drawn.
    """

    def draw(self, key: Any, num: int, d: int, dtype: Any) -> Float[Array, "num d"]:
        """See `AbstractDirections`."""
        if num > d:
            msg = (
                f"`RandomAxes` draws without repetition, at most as many as there are coordinates, {d}; got "
                f"num_samples={num}. Use `laplacian`, which is exact."
            )
            raise ValueError(msg)
        chosen = jax.random.choice(key, d, (num,), replace=False)
        return jnp.zeros((num, d), dtype).at[jnp.arange(num), chosen].set(jnp.sqrt(jnp.asarray(d, dtype)))


class RandomSigns(AbstractDirections):
    """Vectors of random signs: no variance from the diagonal of the Hessian, twice the squares of the rest of it."""

    def draw(self, key: Any, num: int, d: int, dtype: Any) -> Float[Array, "num d"]:
        """See `AbstractDirections`."""
        return jax.random.rademacher(key, (num, d), dtype)


def stochastic_laplacian(
    function: Callable[[Array], Any],
    z: Float[Array, " d"],
    key: Any,
    *,
    num_samples: int = 16,
    directions: AbstractDirections | None = None,
    diffusion: Callable[[Array], Array] | None = None,
) -> Any:
    r"""An unbiased estimate of $\Delta f(z)$, or of $\mathrm{tr}(\sigma^T \nabla^2 f\, \sigma)$, in many dimensions.

    $$\frac{1}{S} \sum_{s=1}^{S} \frac{d^2}{d\epsilon^2} f(z + \epsilon \sigma v_s), \qquad E[v v^T] = I,$$

    each term one pass of Taylor mode along its direction. Time and memory grow with $S$, not with d, but for the point
    itself and the first layer.

    Parameters
    ----------
    function
        `function(z) -> value`, an array or a pytree of arrays.
    z
        The point, shape (d,).
    key
        PRNG key. A new one at every step makes the gradient of the loss unbiased up to the variance of the operator;
        one per point is best.
    num_samples
        S, the number of directions.
    directions
        `RandomAxes()` (the default) or `RandomSigns()`.
    diffusion
        `v -> sigma v`, (d,) to (d,); None for the Laplacian.

    Returns
    -------
    An estimate like `function(z)`.

    Raises
    ------
    ValueError
        For fewer than one sample, or more random axes than coordinates.

    Notes
    -----
    The square of an estimate overestimates the square of the residual by its variance. Where that matters, multiply two
    independent estimates instead. For up to about 50 coordinates `laplacian` is exact and as cheap.

    References
    ----------
    Shi, Hu, Lin, Kawaguchi: Stochastic Taylor derivative estimator: efficient amortization for arbitrary differential
    operators, NeurIPS 2024. Hu, Shukla, Karniadakis, Kawaguchi: Tackling the curse of dimensionality with
    physics-informed neural networks, Neural Networks 176 (2024).
    """
    z = jnp.asarray(z)
    if not isinstance(num_samples, int) or num_samples < 1:
        msg = f"`num_samples` must be an integer of at least 1; got {num_samples!r}. Use, for example, 16."
        raise ValueError(msg)
    drawn = (RandomAxes() if directions is None else directions).draw(key, num_samples, z.shape[0], z.dtype)
    drawn = drawn if diffusion is None else jax.vmap(diffusion)(drawn)
    second = jax.vmap(lambda v: along(function, z, v, 2)[2])(drawn)
    return jax.tree_util.tree_map(lambda terms: jnp.mean(terms, axis=0), second)
