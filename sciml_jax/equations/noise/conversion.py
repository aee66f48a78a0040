"""Between Ito's and Stratonovich's interpretation: `f_ito = f_stratonovich + 1/2 sum_k (dg_k/dy) g_k`."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

from ..engine.noise_term import noise_term


class ConvertedDrift(eqx.Module):
    """The drift plus `share` times `sum_k (dg_k/dy) g_k`; a share of 1/2 leads to Ito's, of -1/2 to Stratonovich's."""

    drift: Callable
    diffusion: Callable
    share: float = eqx.field(static=True)
    noise: str = eqx.field(static=True)

    def __call__(self, t: Any, y: PyTree, args: PyTree) -> PyTree:
        """Cost: an evaluation of the drift, and the derivatives of `noise_term`."""
        _, term = noise_term(self.diffusion, self.noise, t, y, args)
        return jax.tree_util.tree_map(lambda f, c: f + self.share * c, self.drift(t, y, args), term)
