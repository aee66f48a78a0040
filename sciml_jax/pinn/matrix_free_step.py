"""The Gauss-Newton step for many weights, without a matrix."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..training.nystrom import nystrom_preconditioner
from .residual_system import Term, rows

RANK = 100
"""Directions that the preconditioner solves for."""
ITERATIONS = 100
"""Bound on the iterations of conjugate gradients."""


class Linearised(NamedTuple):
    """A step that solves linearised equations, and what it does to them."""

    step: Any
    cost: Any
    """The square of the rows before."""
    removed: Any
    """By how much the square of the linearised rows falls."""


def matrix_free_step(terms: list[Term], vector: Float[Array, " n"], damping: Any, key: Any) -> Linearised:
    r"""The step $-(J^T J + \mu I)^{-1} J^T r$ by conjugate gradients with a Nystrom preconditioner.

    The damping is at least 10 units of rounding of the largest part of the matrix that is known, its trace over n;
    directions below what the iterations resolve are left out, as a larger damping would.

    Costs at most `RANK + ITERATIONS` pairs of a Jacobian-vector and a vector-Jacobian product, and memory for one
    linearised evaluation of all rows and for `3 RANK n` numbers.
    """
    value, push = jax.linearize(lambda vector: rows(terms, vector), vector)
    pull = jax.linear_transpose(push, vector)
    product = lambda v: pull(push(v))[0]
    gradient = pull(value)[0]
    key_probe, key_sketch = jax.random.split(key)
    probes = jax.random.rademacher(key_probe, (4, vector.size), vector.dtype)
    # For random signs v the mean of |J v|^2 is the trace of J^T J.
    scale = jnp.mean(jax.lax.map(lambda v: jnp.sum(push(v) ** 2), probes)) / vector.size
    damping = jnp.maximum(damping, 10 * jnp.finfo(vector.dtype).eps * scale)
    rank = min(RANK, vector.size)
    precondition = nystrom_preconditioner(product, key_sketch, vector.size, rank, damping, vector.dtype)
    shifted = lambda v: product(v) + damping * v
    solve = jax.scipy.sparse.linalg.cg
    step = -solve(shifted, gradient, tol=1e-4, maxiter=ITERATIONS, M=precondition)[0]
    change = push(step)
    return Linearised(step, jnp.dot(value, value), -(2 * jnp.dot(gradient, step) + jnp.dot(change, change)))
