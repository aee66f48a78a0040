"""Paths of the forward equation."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from .problem import ParabolicProblem


def grid(problem: ParabolicProblem, num_steps: int) -> Float[Array, " N+1"]:
    """Equal steps from t0 to t1."""
    return problem.t0 + (problem.t1 - problem.t0) * jnp.arange(num_steps + 1, dtype=problem.x0.dtype) / num_steps


def forward_path(problem: ParabolicProblem, dw: Float[Array, "N m"]) -> Float[Array, "N+1 d"]:
    """The states at all times of the grid."""
    num_steps = dw.shape[0]
    dt = (problem.t1 - problem.t0) / num_steps

    def step(x, inputs):
        t, increment = inputs
        x = problem.step(t, x, dt, increment)
        return x, x

    start = problem.x0 + 0 * dw[0, 0]
    _, xs = lax.scan(step, start, (grid(problem, num_steps)[:-1], dw))
    return jnp.concatenate((start[None], xs))
