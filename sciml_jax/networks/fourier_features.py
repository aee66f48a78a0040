"""Random Fourier features: an encoding that lets a network reach high frequencies."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.checks import check_scalar
from ..core.frozen import Frozen, value_of
from .arguments import as_prng_key, as_size, check_point


class FourierFeatures(eqx.Module):
    r"""The encoding $\gamma(z) = [\cos(B z), \sin(B z)]$ with frequencies $B_{ij} \sim N(0, \mathrm{scale}^2)$.

    In front of a network (`Chain(FourierFeatures(2, 64, key=0), MLP(64, ...))`) it moves the frequencies that are
    learnt first up to about `scale` per unit of `z`. Frequencies are angular: there is no factor of 2 pi.

    Parameters
    ----------
    in_size
        Number of coordinates.
    out_size
        Number of features, even: half cosines, half sines.
    key
        PRNG key or seed of the frequencies.
    scale
        Their standard deviation: one number, or one per coordinate (in_size,). 1 to 10 is usual for coordinates of
        order one; too large a scale fits noise between the points.
    trained
        Whether training moves the frequencies.
    dtype
        Of the frequencies; JAX's default float if None.

    Raises
    ------
    TypeError, ValueError
        For an odd `out_size`, and, when called, for anything but one point (in_size,).

    Notes
    -----
    `embedding(z)` maps (in_size,) to (out_size,). Derivatives grow like `scale` per order. For periodic solutions take
    `PeriodicEmbedding`, which is exact.

    References
    ----------
    Tancik et al.: Fourier features let networks learn high frequency functions in low dimensional domains, NeurIPS
    2020. Wang, Wang, Perdikaris: On the eigenvector bias of Fourier feature networks, CMAME 384 (2021).
    """

    held: Any
    """The frequencies (out_size / 2, in_size), in a `Frozen` unless they are trained."""

    def __init__(
        self, in_size: int, out_size: int, *, key: Any, scale: Any = 1.0, trained: bool = False, dtype: Any = None
    ):
        in_size, out_size = as_size(in_size, "in_size"), as_size(out_size, "out_size", 2)
        if out_size % 2:
            msg = f"`out_size` must be even, half cosines and half sines; got {out_size}. Pass {out_size + 1}."
            raise ValueError(msg)
        if jnp.shape(scale) != (in_size,):
            check_scalar(scale, "scale")
        dtype = jnp.zeros((), dtype).dtype if dtype is not None else jnp.zeros(()).dtype
        drawn = jax.random.normal(as_prng_key(key), (out_size // 2, in_size), dtype)
        frequencies = drawn * jnp.asarray(scale, dtype)
        self.held = frequencies if trained else Frozen(frequencies)

    @property
    def frequencies(self) -> Float[Array, "half in_size"]:
        """`B`, in radians per unit of each coordinate."""
        return value_of(self.held)

    @property
    def out_size(self) -> int:
        """Number of features."""
        return 2 * self.frequencies.shape[0]

    def __call__(self, z: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        """The features of one point."""
        frequencies = self.frequencies
        check_point(z, frequencies.shape[1], "embedding(z)")
        phases = frequencies @ z
        return jnp.concatenate([jnp.cos(phases), jnp.sin(phases)])
