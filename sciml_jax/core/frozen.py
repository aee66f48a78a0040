"""A part of a model that training leaves alone."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree


class Frozen(eqx.Module):
    """A pytree whose arrays are not trained: `sj.training.run` and `fit` leave them as they are.

    Read it with `frozen.value`: the pytree, with a zero derivative. So other training loops do not move it either, but
    for those that decay weights regardless of gradients. It is saved with the model, like every other leaf.

    Parameters
    ----------
    held
        Any pytree.
    """

    held: PyTree

    @property
    def value(self) -> Any:
        """The pytree, its arrays behind `jax.lax.stop_gradient`."""
        return jax.tree_util.tree_map(_stopped, self.held)


def _stopped(leaf: Any) -> Any:
    return jax.lax.stop_gradient(leaf) if eqx.is_inexact_array(leaf) else leaf


def value_of(tree: PyTree) -> Any:
    """`tree.value` of a `Frozen`, anything else as it is."""
    return tree.value if isinstance(tree, Frozen) else tree


def is_trained(tree: PyTree) -> PyTree:
    """For every leaf whether it is trained: floating and complex arrays that are in no `Frozen`."""
    is_frozen = lambda node: isinstance(node, Frozen)

    def mark(node: Any) -> Any:
        return jax.tree_util.tree_map(lambda _: False, node) if is_frozen(node) else eqx.is_inexact_array(node)

    return jax.tree_util.tree_map(mark, tree, is_leaf=is_frozen)
