"""The sparsity of a problem's Jacobian: read off the program, or compared with it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..numerics.check_sparsity import check_sparsity as check_pattern
from ..numerics.sparsity import SparsityPattern
from ..numerics.sparsity_sources import detect_sparsity as detect_pattern
from .engine.flat import concatenate, split_like


def detect_sparsity(problem: Any) -> SparsityPattern:
    """The pattern of `df/dy` of a problem, read off its vector field's program by asdex: for `sparsity=`.

    Valid for every state, time and argument of the same shapes; it may hold entries that are always zero, never lack
    one.

    Parameters
    ----------
    problem
        An `ODEProblem`.

    Raises
    ------
    ImportError
        Without asdex, which the extra `sparse` installs.
    """
    flat_field, flat = _flat_field(problem)
    return detect_pattern(flat_field, flat)


def check_sparsity(problem: Any, *, points: int = 3, key: Any = 0) -> None:
    """Raise where `df/dy` has an entry that the problem's `sparsity` lacks: for tests, and before long runs.

    Compares products of the exact and of the coloured Jacobian with random vectors, at `y0` and at random states near
    it. `sj.Direct(verify_sparsity=True)` does so before every solve.

    Parameters
    ----------
    problem
        An `ODEProblem` with a sparsity pattern and concrete values.
    points
        How many states; an entry that vanishes at all of them goes unnoticed.
    key
        An integer seed or a PRNG key.

    Raises
    ------
    ValueError
        Naming the row and the column of a missing entry; or without a pattern.
    """
    if problem.sparsity is None:
        msg = (
            "`check_sparsity` compares the problem's pattern with its vector field; got `sparsity=None`. "
            "Pass `ODEProblem(..., sparsity=pattern)`."
        )
        raise ValueError(msg)
    flat_field, flat = _flat_field(problem)
    check_pattern(flat_field, flat, problem.sparsity, points=points, key=key)


def _flat_field(problem: Any) -> tuple[Callable, Any]:
    leaves, tree = jax.tree_util.tree_flatten(problem.y0)

    def field(flat):
        y = jax.tree_util.tree_unflatten(tree, split_like(flat, tuple(leaves)))
        return concatenate(jax.tree_util.tree_leaves(problem.vector_field(problem.t0, y, problem.args)))

    return field, concatenate([jnp.asarray(leaf) for leaf in leaves])
