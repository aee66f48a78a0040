"""Directions in the space of parameters, from stiff to sloppy."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..training.parameter_vector import ParameterVector
from .result import Estimate


class SloppyDirections(eqx.Module):
    """Eigenvalues and eigenvectors of the Fisher information, stiffest first."""

    eigenvalues: Float[Array, " params"]
    """Decreasing. One over its root is how far the parameters can go in that direction within a standard error."""
    directions: Float[Array, "params params"]
    """One per row, of unit length."""
    names: tuple[str, ...] = eqx.field(static=True)
    relative: bool = eqx.field(static=True)

    @property
    def decades(self) -> Float[Array, ""]:
        """Decimal logarithm of the ratio of the largest to the smallest eigenvalue; above 6 is called sloppy."""
        smallest = jnp.maximum(self.eigenvalues[-1], jnp.finfo(self.eigenvalues.dtype).tiny)
        return jnp.log10(self.eigenvalues[0] / smallest)

    def describe(self, number: int = 3) -> str:
        """The sloppiest directions in words."""
        lines = []
        for value, direction in list(zip(self.eigenvalues, self.directions))[::-1][:number]:
            order = jnp.argsort(-jnp.abs(direction))
            large = [int(i) for i in order if abs(float(direction[i])) > 0.1]
            text = " ".join(
                f"{float(direction[i]):+.2f} {'ln ' if self.relative else ''}{self.names[i]}" for i in large
            )
            lines.append(f"{float(value):10.3g}: {text}")
        return "\n".join(lines)


def sloppy_directions(source: Any, params: PyTree = None, *, relative: bool = True) -> SloppyDirections:
    """Which combinations of parameters data determine well (stiff) and hardly (sloppy).

    Parameters
    ----------
    source
        An `Estimate`, or a Fisher information, shape (P, P).
    params
        With a Fisher information: the parameters where it was taken.
    relative
        By the logarithms of the parameters, that is in relative changes; otherwise in their own units, which are rarely
        comparable.

    Returns
    -------
    SloppyDirections
        `eigenvalues`, `directions`, `decades`, `describe()`.

    Raises
    ------
    ValueError
        For a matrix without the parameters, or one that does not fit them.

    References
    ----------
    Gutenkunst et al., Universally sloppy parameter sensitivities in systems biology models, PLoS Comput. Biol. 3
    (2007).
    """
    if isinstance(source, Estimate):
        jacobian = source.jacobian if source.noise_is_known else source.jacobian / source.sigma
        information, x, names = jacobian.T @ jacobian, source.flat, source.names
    else:
        information = jnp.asarray(source)
        if params is None:
            msg = "with a Fisher information, `params` must say where it was taken; got None. Pass the parameters."
            raise ValueError(msg)
        vector = ParameterVector(params)
        x, names = vector.initial, vector.names
        if information.shape != (vector.size, vector.size):
            msg = (
                f"a Fisher information of {vector.size} parameters has shape {(vector.size,) * 2}; got "
                f"{information.shape}."
            )
            raise ValueError(msg)
    scaled = information * x[:, None] * x[None, :] if relative else information
    values, vectors = jnp.linalg.eigh(scaled)
    return SloppyDirections(jnp.maximum(values[::-1], 0), vectors.T[::-1], names, relative)
