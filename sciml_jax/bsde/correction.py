"""The value at the start from any approximation of Z, with its errors."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from .increments import pairs_summed, random_increments
from .paths import grid
from .problem import ParabolicProblem


class Estimate(NamedTuple):
    """The value at the start and what is known of its error."""

    u0: Array
    standard_error: Array
    time_correction: Array
    curvature: Array
    residual_variance: Array


class Path(NamedTuple):
    """Where one path stands."""

    x: Array
    y: Array
    log_weight: Array
    probe: Array


def correct(
    problem: ParabolicProblem, z_model: Any, u0: Array, key: Any, num_steps: int, num_paths: int, chunk: int
) -> Estimate:
    r"""One Newton step in path space from $(\hat u_0, \hat Z)$.

    With $\hat Y$ the forward solution from $\hat u_0$ under $\hat Z$, and $a = \partial_u f$, $b = \partial_z f$ there,

    .. math:: u_0 = \hat u_0 + E[\Gamma_{t_1} (g(X_{t_1}) - \hat Y_{t_1})] + O(\delta^2), \qquad
       d\Gamma = \Gamma (a\,dt + b\cdot dW).

    The residual is small where $\hat Z$ is good, so the variance is too, and first-order errors of the network cancel.
    What is left, half the driver's second derivative along the errors, is probed along random directions of the size
    that the residual shows. N and 2N steps on the same paths extrapolate the error of the steps.
    """
    chunk = min(chunk, num_paths)
    num_chunks = -(-num_paths // chunk)
    spread = jnp.zeros_like(u0)

    def one_chunk(spread):
        def run(key):
            key_paths, key_probe = jax.random.split(key)
            dt = (problem.t1 - problem.t0) / (2 * num_steps)
            dw = random_increments(key_paths, chunk, 2 * num_steps, problem.num_noises, dt)
            keys = jax.random.split(key_probe, chunk)
            follow = jax.vmap(lambda dw, key: _follow(problem, z_model, u0, spread, dw, key))
            return follow(dw, keys), follow(pairs_summed(dw), keys)

        return run

    key_pilot, key = jax.random.split(key)
    # A first chunk measures the residual, which sets the size of the probe.
    (_, _, residual), _ = one_chunk(spread)(key_pilot)
    spread = lax.stop_gradient(jnp.std(residual))
    (fine, probe, residual), (coarse, _, _) = lax.map(one_chunk(spread), jax.random.split(key, num_chunks))
    values = (2 * fine - coarse).reshape(-1)
    shift = jnp.mean(fine - coarse)
    error = jnp.std(lax.stop_gradient(values), ddof=1) / jnp.sqrt(values.size)
    return Estimate(u0 + jnp.mean(values), error, shift, jnp.mean(probe), jnp.var(residual))


def _follow(problem, z_model, u0, spread, dw: Float[Array, "N m"], key):
    """Weighted residual, curvature met and residual of one path."""
    num_steps, num_noises = dw.shape
    dt = (problem.t1 - problem.t0) / num_steps
    zero = jnp.zeros((), problem.x0.dtype) * dw[0, 0]
    size = spread / jnp.sqrt((problem.t1 - problem.t0) * num_noises)

    def step(path, inputs):
        t, increment, key = inputs
        z = z_model(t, path.x)

        def driver(u, z):
            return problem.f(t, path.x, u, z)

        f, (a, b) = jax.value_and_grad(driver, argnums=(0, 1))(path.y, z)
        off_y, off_z = jax.random.normal(key, (), z.dtype) * spread, size * jax.random.normal(key, z.shape, z.dtype)
        bend = 0.5 * (driver(path.y + off_y, z + off_z) + driver(path.y - off_y, z - off_z)) - f
        log_weight = path.log_weight + a * dt + jnp.dot(b, increment) - 0.5 * jnp.dot(b, b) * dt
        return Path(
            problem.step(t, path.x, dt, increment),
            path.y - f * dt + jnp.dot(z, increment),
            log_weight,
            path.probe + jnp.exp(path.log_weight) * bend * dt,
        ), None

    start = Path(problem.x0 + zero, u0 + zero, zero, zero)
    inputs = (grid(problem, num_steps)[:-1], dw, jax.random.split(key, num_steps))
    end, _ = lax.scan(step, start, inputs)
    residual = problem.g(end.x) - end.y
    return jnp.exp(end.log_weight) * residual, end.probe, residual


def stopped(tree: Any) -> Any:
    """The tree with its arrays held constant under differentiation."""
    return jax.tree.map(lambda leaf: lax.stop_gradient(leaf) if eqx.is_inexact_array(leaf) else leaf, tree)
