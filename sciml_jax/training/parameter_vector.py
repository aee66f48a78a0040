"""Parameters in any pytree as one real vector, with names and bounds."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ..core.tree import describe, is_concrete


def _is_parameter(leaf: Any) -> bool:
    """Real floats: arrays and Python numbers with a decimal point."""
    return isinstance(leaf, float) or (
        hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating) and not isinstance(leaf, type)
    )


class ParameterVector:
    """The real floats of a pytree as a vector; everything else in it (integers, functions) stays as it is.

    Parameters
    ----------
    template
        The pytree; its values are a starting point.
    name
        What messages call it.

    Attributes
    ----------
    initial
        Its values, shape (P,).
    names
        One per number: the path to its leaf, with an index where the leaf is an array.
    """

    def __init__(self, template: PyTree, name: str = "params"):
        moving, self._rest = eqx.partition(template, _is_parameter)
        moving = jax.tree.map(jnp.asarray, moving)
        self._moving, self._name = moving, name
        self.initial, self._unravel = ravel_pytree(moving)
        if self.initial.size == 0:
            msg = (
                f"`{name}` must hold at least one float to estimate; got {describe(template)}. Write 1.0 instead of 1."
            )
            raise ValueError(msg)
        self.names = tuple(
            label for path, leaf in jax.tree_util.tree_leaves_with_path(moving) for label in _labels(path, leaf)
        )

    @property
    def size(self) -> int:
        """P."""
        return self.initial.shape[0]

    def unflatten(self, vector: Float[Array, " params"]) -> PyTree:
        """The pytree with the numbers of `vector`."""
        return eqx.combine(self._unravel(vector), self._rest)

    def unflatten_numbers(self, vector: Float[Array, " params"]) -> PyTree:
        """The same without what are not parameters: None in their place. For errors, bounds and other companions."""
        dtypes = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, vector.dtype), self._moving)
        return ravel_pytree(dtypes)[1](vector)

    def flatten(self, tree: Any, what: str) -> Float[Array, " params"]:
        """What goes with the parameters as a vector: a pytree like them whose leaves broadcast, a vector, a number."""
        tree = tree if hasattr(tree, "dtype") or isinstance(tree, (int, float)) else self._numbers(tree)
        leaves = jax.tree.leaves(tree)
        if len(leaves) == 1 and leaves[0] is tree and jnp.shape(tree) in ((), (self.size,)):
            return jnp.broadcast_to(jnp.asarray(tree, self.initial.dtype), (self.size,))
        return self._like(tree, what)

    def flatten_many(self, tree: Any, what: str) -> Float[Array, "number params"]:
        """The same for pytrees with one more axis in front; a matrix (number, P) is taken as it is."""
        if hasattr(tree, "ndim") and tree.ndim == 2 and tree.shape[1] == self.size:
            return jnp.asarray(tree, self.initial.dtype)
        tree = self._numbers(tree)
        counts = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(tree)}
        if len(counts) != 1 or () in counts:
            msg = (
                f"`{what}` must be like `{self._name}` with the number in front of every leaf, or have shape (number, "
                f"{self.size}); got {describe(tree)}."
            )
            raise ValueError(msg)
        return jax.vmap(lambda one: self._like(one, what))(jax.tree.map(jnp.asarray, tree))

    def _numbers(self, tree: Any) -> Any:
        """Without what are no parameters: another copy of the functions and integers in the template may be there."""
        if jax.tree.structure(tree) == jax.tree.structure(self._moving):
            return tree
        keep = eqx.filter(tree, lambda leaf: isinstance(leaf, (int, float)) or hasattr(leaf, "dtype"))
        return eqx.filter(keep, _is_parameter) if jax.tree.structure(keep) != jax.tree.structure(self._moving) else keep

    def _like(self, tree: Any, what: str) -> Array:
        if jax.tree.structure(tree) != jax.tree.structure(self._moving):
            msg = (
                f"`{what}` must be a pytree like `{self._name}`, {describe(self._moving)}, a vector of {self.size} "
                f"numbers or one number; got {describe(tree)}."
            )
            raise ValueError(msg)
        parts = []
        for given, leaf in zip(jax.tree.leaves(tree), jax.tree.leaves(self._moving)):
            try:
                parts.append(jnp.broadcast_to(jnp.asarray(given, self.initial.dtype), leaf.shape).ravel())
            except ValueError:
                msg = (
                    f"a leaf of `{what}` must broadcast to shape {leaf.shape} of the parameter; got {jnp.shape(given)}."
                )
                raise ValueError(msg) from None
        return jnp.concatenate(parts)

    def bounds(self, bounds: Any) -> tuple[Float[Array, " params"], Float[Array, " params"]]:
        """Lower and upper bounds from a pair, each a companion; None: none."""
        if bounds is None:
            return jnp.full_like(self.initial, -jnp.inf), jnp.full_like(self.initial, jnp.inf)
        if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
            msg = f"`bounds` must be a pair (lower, upper); got {bounds!r}. Pass two pytrees like the parameters."
            raise ValueError(msg)
        lower, upper = (self.flatten(side, f"bounds[{i}]") for i, side in enumerate(bounds))
        if is_concrete((lower, upper)):
            low, high = np.asarray(lower), np.asarray(upper)
            crossed = [name for name, ok in zip(self.names, low < high) if not ok]
            if crossed:
                msg = (
                    "lower bounds must be below upper bounds; got crossed, equal or NaN ones for "
                    f"{', '.join(crossed)}. "
                    "Swap them; a parameter that is known is no parameter."
                )
                raise ValueError(msg)
        return lower, upper


def _labels(path: tuple, leaf: Array) -> list[str]:
    name = jax.tree_util.keystr(path, simple=True, separator=".")
    if leaf.ndim == 0:
        return [name or "params"]
    indices = np.ndindex(leaf.shape)
    return [f"{name or 'params'}[{','.join(map(str, index))}]" for index in indices]
