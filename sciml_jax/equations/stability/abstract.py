"""What stability functions share."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex

from ...core.tree import describe


class AbstractStabilityFunction(eqx.Module):
    """`R(z)`, by which a method multiplies the solution of `y' = lambda y` in a step h, with `z = h lambda`.

    Call it with a complex (or real) array of any shape; the result is complex, of the same shape and precision.
    """

    def __call__(self, z: Any) -> Complex[Array, "..."]:
        """Evaluate at every entry of `z`."""
        return self.evaluate(as_complex(z))

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What pictures and messages call it."""

    @abc.abstractmethod
    def evaluate(self, z: Complex[Array, "..."]) -> Complex[Array, "..."]:
        """The values at a complex array."""


def as_complex(z: Any) -> Complex[Array, "..."]:
    """`z` as a complex array of its own precision; refuses what is not numbers."""
    try:
        array = jnp.asarray(z)
    except (TypeError, ValueError):
        array = None
    if array is None or not jnp.issubdtype(array.dtype, jnp.number):
        msg = f"`z` must be a real or complex array; got {describe(z)}. Pass, for example, `-2.0 + 1j`."
        raise TypeError(msg)
    if not jnp.issubdtype(array.dtype, jnp.inexact):
        array = array.astype(float)
    return array.astype(jnp.result_type(array.dtype, jnp.complex64))
