"""Stability functions on the host: methods told from functions, and values at many points with one compilation."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from .linear_multistep import MultistepStability
from .stability_function import stability_function

CHUNK = 4096
"""Points that are evaluated at a time, so that every question asked of a method compiles it once."""


def as_stability_function(value: Any) -> Any:
    """A method's stability function; a stability function, or any function `R(z)` of complex arrays, as it is."""
    if isinstance(value, type) or not callable(value):
        return stability_function(value)
    return value


def name_of(function: Any) -> str:
    """What pictures and reports call a stability function."""
    return getattr(function, "name", None) or getattr(function, "__name__", "R")


def sample(function: Any, z: np.ndarray) -> np.ndarray:
    """`R(z)` as a NumPy array in double precision, of the shape of z; infinite where it is not a number."""
    z = np.asarray(z, complex)
    flat = z.ravel()
    padded = np.zeros(max(1, -(-flat.size // CHUNK)) * CHUNK, complex)
    padded[: flat.size] = flat
    values = np.concatenate([np.asarray(function(jnp.asarray(part))) for part in padded.reshape(-1, CHUNK)])
    values = values.astype(complex)[: flat.size]
    return np.where(np.isfinite(values), values, np.inf).reshape(z.shape)


def precision() -> float:
    """The machine precision that values are computed in: that of JAX's default float."""
    return float(jnp.finfo(jnp.zeros(()).dtype).eps)


def rounding() -> float:
    """By how much `|R|` may exceed one and pass for one: ten thousand times the machine precision."""
    return 1e4 * precision()


def modulus_at_infinity(function: Any) -> float:
    """The largest `|R|` for `|z| -> infinity` in the closed left half-plane, read off at `|z| = eps^(-1/2)`.

    Values above the root of that distance are taken for growth without bound.
    """
    if isinstance(function, MultistepStability):
        return function.at_infinity()
    far = precision() ** -0.5
    largest = float(np.max(np.abs(sample(function, far * np.exp(1j * np.pi * np.linspace(0.5, 1.5, 5))))))
    return largest if largest < np.sqrt(far) else float("inf")


def has_pole_on_the_left(function: Any) -> bool:
    """Whether R, bounded on the imaginary axis, has a pole in the open left half-plane.

    `z = (w - 1)/(w + 1)` maps the unit disc to the left half-plane. A rational function without poles there has a
    Taylor series in w, so the Fourier coefficients of its values on the circle vanish for negative frequencies; a pole
    at w = p adds terms that fall as `|p|^n`.
    """
    if isinstance(function, MultistepStability):
        return bool(np.any(np.real(function.poles()) < 0))
    # Half a step off, so that w = -1, where z is infinite, is not among the points.
    angles = 2 * np.pi * (np.arange(CHUNK) + 0.5) / CHUNK
    values = sample(function, 1j * np.tan(angles / 2))
    coefficients = np.abs(np.fft.fft(values)) / CHUNK
    return not np.max(coefficients[CHUNK // 2 :]) <= np.sqrt(precision()) * np.max(np.abs(values))
