"""A path through data, as the derivative that drives a controlled differential equation."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..numerics.search import count_passed


class ControlPath(eqx.Module):
    """A path X(s) of C channels, by pieces.

    `path.derivative(s)` is dX/ds, shape (C,): from the right at a knot, from the left at the last one.
    """

    knots: Float[Array, " K"]
    """Where the pieces begin and end, not decreasing; knots may coincide."""
    coefficients: Float[Array, "pieces degree C"]
    """Of dX/ds on every piece, in powers of the distance to its first knot."""
    start: Float[Array, " C"]
    """X at the first knot."""
    observed: Float[Array, " T"]
    """The parameter s of every observation."""
    is_smooth: bool = eqx.field(static=True)
    """Whether dX/ds is continuous, so that solves need not step on the knots."""

    def derivative(self, s: Any) -> Float[Array, " C"]:
        """dX/ds."""
        # The last piece with a length: knots that pad the end have none.
        last = jnp.sum(self.knots < self.knots[-1]) - 1
        piece = jnp.clip(count_passed(self.knots, s) - 1, 0, last)
        along = (s - self.knots[piece]).astype(self.coefficients.dtype)
        terms = self.coefficients[piece]
        total = terms[-1]
        for i in range(terms.shape[0] - 2, -1, -1):
            total = terms[i] + along * total
        return total

    def evaluate(self, s: Any) -> Float[Array, " C"]:
        """X at one s."""
        last = jnp.sum(self.knots < self.knots[-1]) - 1
        lengths = jnp.diff(self.knots)[:, None].astype(self.coefficients.dtype)
        degrees = jnp.arange(1, self.coefficients.shape[1] + 1, dtype=self.coefficients.dtype)
        increments = jnp.sum(self.coefficients * (lengths**degrees / degrees)[:, :, None], axis=1)
        piece = jnp.clip(count_passed(self.knots, s) - 1, 0, last)
        along = (s - self.knots[piece]).astype(self.coefficients.dtype)
        before = jnp.sum(jnp.where(jnp.arange(increments.shape[0])[:, None] < piece, increments, 0), axis=0)
        return self.start + before + jnp.sum(self.coefficients[piece] * (along**degrees / degrees)[:, None], axis=0)
