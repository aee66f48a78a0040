"""Collocation points spread over the devices of a mesh."""

from typing import Any

import equinox as eqx
import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree


def spread(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """Items along the leading axes dealt to all devices; what cannot be dealt evenly is on every device.

    Sums over items, such as those of the loss and of the normal equations, then are partial sums and one reduction.
    """
    if mesh is None:
        return tree
    rows = NamedSharding(mesh, PartitionSpec(mesh.axis_names))

    def one(leaf: Any) -> Any:
        if leaf.ndim == 0 or leaf.shape[0] % mesh.size:
            return leaf
        return jax.lax.with_sharding_constraint(leaf, rows)

    return jax.tree_util.tree_map(one, tree)


def everywhere(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """Every array on every device, so that blocks of steps find it where they left it."""
    if mesh is None:
        return tree
    whole = NamedSharding(mesh, PartitionSpec())
    place = lambda leaf: jax.lax.with_sharding_constraint(leaf, whole) if eqx.is_array(leaf) else leaf
    return jax.tree_util.tree_map(place, tree)


def check_mesh(mesh: Any, num_points: int) -> None:
    """Refuse what is no mesh, and numbers of points that its devices cannot share evenly."""
    if mesh is None:
        return
    if not isinstance(mesh, Mesh):
        msg = (
            f"`mesh` must be a jax.sharding.Mesh; got {mesh!r} ({type(mesh).__name__}). Pass, for example, "
            'jax.make_mesh((2,), ("batch",)).'
        )
        raise TypeError(msg)
    if num_points % mesh.size:
        msg = (
            f"`num_points` must be a multiple of the number of devices; got {num_points} for {mesh.size} devices. Use "
            f"{num_points // mesh.size * mesh.size + mesh.size}."
        )
        raise ValueError(msg)
