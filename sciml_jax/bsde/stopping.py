"""Values with a right to stop: the obstacle, and bounds from a learned continuation value and Z."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from .increments import pairs_summed, random_increments
from .learned import outcome
from .paths import forward_path, grid
from .problem import ParabolicProblem
from .solution import BSDESolution


class StoppedEstimate(NamedTuple):
    """Bounds on the value with their errors, extrapolated in the number of dates."""

    lower: Array
    upper: Array
    lower_standard_error: Array
    upper_standard_error: Array
    time_correction: Array


SUBSTEPS = 4
"""Steps of a path between two dates: the martingale follows the path more closely than the right is looked at."""


def reflected_value(problem: ParabolicProblem, t: Any, x: Float[Array, " d"], value: Array) -> Float[Array, ""]:
    """The value, or the obstacle where that is larger."""
    obstacle = problem.obstacle
    return value if obstacle is None else jnp.maximum(value, jnp.asarray(obstacle(t, x), x.dtype))


def stopped_paths(
    problem: ParabolicProblem, continuation: Any, z_model: Any, key: Any, num_steps: int, num_paths: int, chunk: int
) -> StoppedEstimate:
    r"""Bounds on the value of stopping, by fresh paths and the learned functions.

    Backward along every path, with the martingale $\int Z\cdot dW$ taken off,

    .. math:: L_n = \begin{cases} \psi & \psi(t_n, X_n) \ge \hat C_n \\ P_n(L_{n+1}) & \text{else} \end{cases},
       \quad U_n = \max(\psi, P_n(U_{n+1})), \quad P_n(y) = y' + f(t_n, X_n, y', \hat Z_n)\,h,
       \quad y' = y - \hat Z_n \cdot \Delta W_n .

    L stops by a rule that may be worse than the best, U knows the whole path: at the dates of the grid the value lies
    between their means where f is affine in u and free of z (up to the sampling error). Their gap is small where Z is
    good; paths take `SUBSTEPS` steps between dates, since a martingale that is followed coarsely widens it too. N and
    2N dates on the same paths extrapolate to stopping at any time.
    """
    num_chunks = -(-num_paths // chunk)

    def one_chunk(key):
        num_fine = 2 * num_steps * SUBSTEPS
        dt = (problem.t1 - problem.t0) / num_fine
        dw = random_increments(key, chunk, num_fine, problem.num_noises, dt)
        follow = jax.vmap(lambda dw: _follow(problem, continuation, z_model, dw))
        return follow(dw), follow(pairs_summed(dw))

    fine, coarse = lax.map(one_chunk, jax.random.split(key, num_chunks))
    lower, upper = (2 * a.reshape(-1) - b.reshape(-1) for a, b in zip(fine, coarse, strict=True))
    shift = jnp.mean(fine[0] - coarse[0])

    def error(values):
        return jnp.std(lax.stop_gradient(values), ddof=1) / jnp.sqrt(values.size)

    return StoppedEstimate(jnp.mean(lower), jnp.mean(upper), error(lower), error(upper), shift)


def _follow(problem, continuation, z_model, dw: Float[Array, "N m"]) -> tuple[Array, Array]:
    """Lower and upper value along one path."""
    num_steps = dw.shape[0]
    dt = (problem.t1 - problem.t0) / num_steps
    ts, xs = grid(problem, num_steps), forward_path(problem, dw)
    end = reflected_value(problem, ts[-1], xs[-1], problem.g(xs[-1]))

    def back(values, inputs):
        lower, upper = values
        t, x, increment, is_date = inputs
        z = z_model(t, x)

        def before(y):
            y = y - jnp.dot(z, increment)
            return y + problem.f(t, x, y, z) * dt

        now = jnp.where(is_date, jnp.asarray(problem.obstacle(t, x), x.dtype), -jnp.inf)
        stops = now >= lax.stop_gradient(continuation(t, x))
        return (jnp.where(stops, now, before(lower)), jnp.maximum(now, before(upper))), None

    values, _ = lax.scan(back, (end, end), (ts[:-1], xs[:-1], dw, jnp.arange(num_steps) % SUBSTEPS == 0), reverse=True)
    return values


def finish_reflected(
    method: Any, problem: ParabolicProblem, found: StoppedEstimate, trained: Any, z_model: Any, value_model: Any
) -> BSDESolution:
    """The solution between the bounds; half their gap belongs to the error."""
    u0 = 0.5 * (found.lower + found.upper)
    spread = 0.5 * (found.lower_standard_error + found.upper_standard_error)
    status = outcome(trained, u0, spread)
    return BSDESolution(
        u0=jnp.where(status == 0, u0, jnp.nan),
        u0_standard_error=spread,
        u0_error=spread + 0.5 * jnp.abs(found.upper - found.lower) + jnp.abs(found.time_correction),
        status=status,
        stats={
            "lower": found.lower,
            "upper": found.upper,
            "num_paths": method.num_paths,
            "num_steps": 2 * method.num_steps,
            "num_iterations": trained.num_steps,
            "time_correction": found.time_correction,
        },
        losses=trained.losses,
        problem=problem,
        value_model=value_model,
        z_model=z_model,
        lower=found.lower,
        upper=found.upper,
        method=method.name,
    )
