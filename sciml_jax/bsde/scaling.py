"""The scales of a problem, from a few paths, and a first guess of its solution from them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .increments import random_increments
from .paths import forward_path
from .problem import ParabolicProblem

PILOT_PATHS = 256
PILOT_STEPS = 8


class Scaling(eqx.Module):
    """Scales that make a network's inputs and outputs of order one, and the draws of the first guess."""

    x_mean: Float[Array, " d"]
    x_scale: Float[Array, " d"]
    g_mean: Float[Array, ""]
    g_scale: Float[Array, ""]
    draws: Float[Array, "k m"]

    def inputs(self, problem: ParabolicProblem, t: Any, x: Float[Array, " d"]) -> Float[Array, " d+2"]:
        """What a network sees: scaled time, position and terminal value of the position."""
        tau = (t - problem.t0) / (problem.t1 - problem.t0)
        value = (problem.g(x) - self.g_mean) / self.g_scale
        # Bounded: terminal conditions may grow fast far out.
        return jnp.concatenate((2 * tau[None] - 1, (x - self.x_mean) / self.x_scale, 3 * jnp.tanh(value / 3)[None]))

    def guess(self, problem: ParabolicProblem, t: Any, x: Float[Array, " d"]) -> Float[Array, ""]:
        r"""The mean of $g$ after one step from t to the end, over a few fixed draws: the solution without driver."""
        left = jnp.maximum(problem.t1 - t, 0)
        ends = jax.vmap(lambda xi: problem.step(t, x, left, jnp.sqrt(left) * xi))(self.draws)
        return jnp.mean(jax.vmap(problem.g)(ends))

    def guess_gradient(self, problem: ParabolicProblem, t: Any, x: Float[Array, " d"]) -> Float[Array, " d"]:
        """The gradient of `guess`."""
        return jax.grad(lambda x: self.guess(problem, t, x))(x)


def find_scaling(problem: ParabolicProblem, key: Any, num_draws: int) -> Scaling:
    """Scales from a pilot run; `num_draws` (even) draws for the guess, in pairs of opposite sign."""
    key_paths, key_draws = jax.random.split(key)
    dt = (problem.t1 - problem.t0) / PILOT_STEPS
    dw = random_increments(key_paths, PILOT_PATHS, PILOT_STEPS, problem.num_noises, dt)
    ends = jax.vmap(lambda dw: forward_path(problem, dw)[-1])(dw)
    values = jax.vmap(problem.g)(ends)
    tiny = jnp.finfo(ends.dtype).eps
    spread = jnp.std(ends, axis=0)
    draws = jax.random.normal(key_draws, (num_draws // 2, problem.num_noises), ends.dtype)
    # Draws with the second moments of a normal distribution along each axis make guesses of quadratics exact.
    draws = draws / jnp.sqrt(jnp.mean(draws**2, axis=0))
    return Scaling(
        x_mean=jnp.mean(ends, axis=0),
        x_scale=jnp.where(spread > tiny * (1 + jnp.abs(problem.x0)), spread, 1),
        g_mean=jnp.mean(values),
        g_scale=jnp.std(values) + 1e-3 * jnp.abs(jnp.mean(values)) + tiny,
        draws=jnp.concatenate((draws, -draws)),
    )
