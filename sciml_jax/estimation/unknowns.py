"""What is estimated: the parameters and, where they are not known, the initial states, as one vector."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..core.callables import as_callable
from ..core.data import Data
from ..training.parameter_vector import ParameterVector
from .prediction import is_problem


class Unknowns:
    """Parameters and initial states as one vector, parameters first.

    Parameters
    ----------
    template
        The parameters, for their structure.
    data
        With `unknown_y0`, the initial states of all experiments are unknown too.
    """

    def __init__(self, template: PyTree, data: Data | None):
        self.params = ParameterVector(template)
        self.y0: ParameterVector | None = None
        if data is not None and data.unknown_y0 is not None:
            lower, upper = (self._for_each(side, data) for side in data.unknown_y0)
            middle = jax.tree.map(lambda low, high: _between(low, high), lower, upper)
            start = middle if data.y0 is None else data.y0
            self.y0, self._y0_bounds = ParameterVector(start, "y0"), (lower, upper)

    @staticmethod
    def _for_each(tree: PyTree, data: Data) -> PyTree:
        dtype = data.ys.dtype
        return jax.tree.map(lambda leaf: jnp.stack([jnp.asarray(leaf, dtype)] * data.num_experiments), tree)

    @property
    def names(self) -> tuple[str, ...]:
        """One per number."""
        return self.params.names + (() if self.y0 is None else tuple(f"y0.{name}" for name in self.y0.names))

    @property
    def initial(self) -> Array:
        """The numbers of the template, and the middle between the bounds of unknown initial states."""
        return self.params.initial if self.y0 is None else jnp.concatenate([self.params.initial, self.y0.initial])

    def split(self, vector: Array) -> tuple[PyTree, PyTree]:
        """Parameters and initial states; None for the latter where they are known."""
        count = self.params.size
        return self.params.unflatten(vector[:count]), None if self.y0 is None else self.y0.unflatten(vector[count:])

    def split_numbers(self, vector: Array) -> tuple[PyTree, PyTree]:
        """The same for companions such as standard errors."""
        count = self.params.size
        y0 = None if self.y0 is None else self.y0.unflatten_numbers(vector[count:])
        return self.params.unflatten_numbers(vector[:count]), y0

    def bounds(self, bounds: Any) -> tuple[Array, Array]:
        """Of all numbers."""
        lower, upper = self.params.bounds(bounds)
        if self.y0 is None:
            return lower, upper
        low, high = self.y0.bounds(self._y0_bounds)
        return jnp.concatenate([lower, low]), jnp.concatenate([upper, high])

    def starts(self, given: PyTree) -> Array:
        """Starts for the parameters, with the number in front, as (S, P); initial states are those of `initial`."""
        found = self.params.flatten_many(given, "starts")
        if self.y0 is None:
            return found
        return jnp.concatenate([found, jnp.broadcast_to(self.y0.initial, (found.shape[0], self.y0.size))], axis=1)


def _between(low: Array, high: Array) -> Array:
    middle = 0.5 * (low + high)
    one_sided = jnp.where(jnp.isfinite(low), low, jnp.where(jnp.isfinite(high), high, 0))
    return jnp.where(jnp.isfinite(middle), middle, one_sided)


def template_of(model: Any, initial: PyTree, bounds: Any) -> tuple[PyTree, bool]:
    """The structure of the parameters, and whether its values are a guess."""
    if not is_problem(model):
        as_callable(model, "model")
    if initial is not None:
        return _as_arrays(initial), True
    if is_problem(model) and getattr(model, "args", None) is not None:
        return _as_arrays(model.args), True
    if bounds is not None and isinstance(bounds, (tuple, list)) and len(bounds) == 2:
        return _as_arrays(bounds[0]), False
    msg = (
        "the parameters must be known by a guess or by bounds; got neither `args` in the problem, nor `initial`, nor "
        "`bounds`. Pass `initial=`, a pytree of what the model takes."
    )
    raise ValueError(msg)


def _as_arrays(tree: PyTree) -> PyTree:
    """Python floats as arrays: they are operands of the compiled search, not part of it."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, float) else leaf, tree)
