"""One implicit Runge-Kutta step as a problem in space: its unknown functions are the stages and the end."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core.frozen import Frozen
from ..core.tree import is_concrete
from .box import Box
from .conditions import AbstractCondition
from .problem_checks import as_row, stand_in
from .product import Product


class Step(eqx.Module):
    """A step of q stages, shared by the network, the residual and the conditions."""

    times: Array
    """(q + 1,): of the stages and of the end."""
    matrix: Array
    """(q + 1, q): coefficients, the weights of the end in the last row, times the length of the step."""
    time: int = eqx.field(static=True)
    num_outputs: int = eqx.field(static=True)

    def point(self, x: Array, t: Array) -> Array:
        """A point in space at a time."""
        return jnp.concatenate([x[: self.time], t[None].astype(x.dtype), x[self.time :]])

    def space(self, z: Array) -> Array:
        """A point without its time."""
        return jnp.concatenate([z[: self.time], z[self.time + 1 :]])

    def shaped(self, value: Array) -> Float[Array, "stages m"]:
        """The values of all stages and of the end, one row each."""
        return value.reshape(self.times.shape[0], self.num_outputs)

    def stage(self, u: Callable, number: Array) -> Callable:
        """One stage as a function of points in space and time that does not depend on time."""

        def at(z: Array) -> Array:
            row = self.shaped(u(self.space(z)))[number]
            return row[0] if self.num_outputs == 1 else row

        return at


class StageParts(eqx.Module):
    """What of the stages is not trained."""

    embedding: Any
    walls: Any
    """`HardConditions` on faces in space, or None."""
    step: Step
    params: Any


class StageNetwork(eqx.Module):
    """`x -> stages and end`, flat, with the conditions on walls at the time of each."""

    net: Callable
    parts: Frozen

    def __call__(self, x: Float[Array, " d"]) -> Float[Array, " k"]:
        """The unknown functions at one point."""
        parts = self.parts.value
        step = parts.step
        values = step.shaped(self.net(x if parts.embedding is None else parts.embedding(x)))
        if parts.walls is not None:
            hold = lambda value, t: parts.walls(value, step.point(x, t), parts.params).astype(value.dtype)
            values = jax.vmap(hold)(values, step.times)
        return values.reshape(-1)


class StageResidual(eqx.Module):
    r"""$U_i - u_0 - h \sum_j a_{ij} N[U_j]$ for all stages and the end, with N from the residual of the problem."""

    problem: Any
    start: Callable
    """`(z, params) -> (1, m)`: the initial values."""
    begin: Array
    step: Step

    def __call__(self, u: Callable, x: Float[Array, " d"], params: Any) -> Float[Array, " k"]:
        """The misfits at one point in space."""
        step = self.step
        values = step.shaped(u(x))
        first = self.start(step.point(x, self.begin), params)[0]
        rate = lambda number, t: self.rate(step.stage(u, number), step.point(x, t), params)
        rates = jax.vmap(rate)(jnp.arange(values.shape[0] - 1), step.times[:-1])
        return (values - first - step.matrix.astype(x.dtype) @ rates).reshape(-1)

    def rate(self, stage: Callable, z: Float[Array, " d"], params: Any) -> Float[Array, " m"]:
        """The time derivative for which the residual vanishes, N[U]."""
        free, mass = affine_in_rate(self.problem, stage, z, params, self.step.time)
        return -free / mass[:, 0] if mass.shape == (1, 1) else -jnp.linalg.solve(mass, free)


def affine_in_rate(problem: Any, stage: Callable, z: Array, params: Any, time: int) -> tuple[Array, Array]:
    """b (k,) and M (k, m) with `residual = M u_t + b` for a function that equals `stage` at the time of z."""
    misfit = moving_misfit(problem, stage, z, params, time)
    zero = jnp.zeros((problem.num_outputs,), z.dtype)
    push = lambda direction: jax.jvp(misfit, (zero,), (direction,))
    if problem.num_outputs == 1:
        free, column = push(jnp.ones((1,), z.dtype))
        return free, column[:, None]
    free, columns = jax.vmap(push, out_axes=(None, 1))(jnp.eye(problem.num_outputs, dtype=z.dtype))
    return free, columns


def moving_misfit(problem: Any, stage: Callable, z: Array, params: Any, time: int, power: int = 1) -> Callable:
    """`w -> residual` of `stage + (t - t_z)^power w`."""

    def misfit(w: Array) -> Array:
        w = w[0] if problem.num_outputs == 1 else w
        moving = lambda at: stage(at) + (at[time] - z[time]) ** power * w
        return as_row(problem.residual(moving, z, params))

    return misfit


class StageCondition(AbstractCondition):
    """A condition on walls, at the times of all stages and of the end."""

    condition: Any
    step: Step
    weight: float | None = eqx.field(static=True)

    def draw(self, key: Any, n: int) -> Any:
        """Items of the condition; their times do not count."""
        return self.condition.draw(key, n)

    def row(self, u: Callable, item: Any, params: Any) -> Float[Array, " k"]:
        """The misfits of all stages at one item."""
        step = self.step

        def at(number: Array, t: Array) -> Array:
            moved = lambda z: z.at[step.time].set(t.astype(z.dtype))
            now = (moved(item[0]), *item[1:]) if isinstance(item, tuple) else moved(item)
            return self.condition.row(step.stage(u, number), now, params)

        return jax.vmap(at)(jnp.arange(step.times.shape[0]), step.times).reshape(-1)


def without(domain: Any, time: str) -> Any:
    """The domain in space alone."""
    if isinstance(domain, Box):
        kept = [axis for axis, name in enumerate(domain.names) if name != time]
        bounds = {domain.names[axis]: (domain.lower[axis], domain.upper[axis]) for axis in kept}
        return Box(bounds, periodic=domain.periodic) if bounds else None
    if isinstance(domain, Product):
        parts = [without(part, time) if time in part.names else part for part in (domain.first, domain.second)]
        parts = [part for part in parts if part is not None]
        return parts[0] if len(parts) == 1 else Product(*parts)
    msg = (
        f"`DiscreteTimePINN` needs a box, or the product of a time interval and a region; got a "
        f'{type(domain).__name__}. Write `sj.pinn.Box({{"t": (0.0, 1.0)}}) * region`.'
    )
    raise ValueError(msg)


def check_first_order(problem: Any, time: int) -> None:
    """Refuse residuals that are not of the form `M u_t + b`, with M that can be solved with."""
    params = problem.all_params(problem.unknown)
    if not is_concrete((problem, params)):
        return
    with jax.ensure_compile_time_eval():
        z = problem.domain.interior(jax.random.key(0), 1)[0]
        u = stand_in(problem)
        at_time = z[time]
        still = lambda at: u(at.at[time].set(at_time))
        free, mass = affine_in_rate(problem, still, z, params, time)
        w = jnp.linspace(1.0, 2.0, problem.num_outputs, dtype=z.dtype)
        linear = moving_misfit(problem, still, z, params, time)(w) - free - mass @ w
        second = moving_misfit(problem, still, z, params, time, 2)(w) - free
    if not is_concrete((mass, linear, second)):
        return
    scale = 1e-6 * (1e-6 + float(np.max(np.abs(free))) + float(np.max(np.abs(mass))))
    square = mass.shape == (problem.num_outputs, problem.num_outputs)
    singular = not square or np.linalg.matrix_rank(np.asarray(mass)) < problem.num_outputs
    if singular or np.max(np.abs(linear)) > scale or np.max(np.abs(second)) > scale:
        msg = (
            "`DiscreteTimePINN` needs as many equations as unknown functions, each `M u_t = N[u]` with first time "
            f"derivatives only and M that can be inverted; this residual is not so (M is {np.asarray(mass).tolist()}). "
            "Write it as a system of first order, or use `sj.pinn.PINN()`."
        )
        raise ValueError(msg)
