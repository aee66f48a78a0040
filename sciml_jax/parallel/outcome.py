"""What the outputs of a batch of members say about themselves: statuses and step counts."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..core.method import AbstractSolution
from ..core.status import Status


def member_status(outputs: PyTree, lanes: int) -> Array:
    """A `Status` code for every member, (lanes,) int32.

    Solutions among the outputs speak for themselves; of several, the first failure counts. Outputs without a solution
    fail with `NON_FINITE` where any of their numbers is NaN, which is how a solve marks what it did not reach.
    """
    codes = [solution.status.reshape(lanes, -1) for solution in solutions_of(outputs)]
    if codes:
        flat = jnp.concatenate(codes, axis=1).astype(jnp.int32)
        failed = (flat != int(Status.SUCCESS)) & (flat != int(Status.EVENT))
        first = jnp.take_along_axis(flat, jnp.argmax(failed, axis=1)[:, None], axis=1)[:, 0]
        return jnp.where(failed.any(axis=1), first, flat.max(axis=1))
    missing = jnp.zeros(lanes, bool)
    for leaf in jax.tree_util.tree_leaves(outputs):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            missing = missing | jnp.isnan(leaf).reshape(lanes, -1).any(axis=1)
    return jnp.where(missing, int(Status.NON_FINITE), int(Status.SUCCESS)).astype(jnp.int32)


def member_steps(outputs: PyTree, lanes: int) -> Array | None:
    """The steps that every member took, (lanes,), or None when no solution among the outputs counts them."""
    counts = [getattr(solution.stats, "num_steps", None) for solution in solutions_of(outputs)]
    counts = [count.reshape(lanes, -1).sum(axis=1) for count in counts if count is not None]
    return jnp.stack(counts).sum(axis=0) if counts else None


def solutions_of(outputs: PyTree) -> list[Any]:
    """The solutions among the outputs, outermost ones only."""
    leaves = jax.tree_util.tree_leaves(outputs, is_leaf=lambda node: isinstance(node, AbstractSolution))
    return [leaf for leaf in leaves if isinstance(leaf, AbstractSolution)]
