"""What the methods of backward dynamic programming share: one pair of networks per step, trained from the end."""

import abc
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from .correction import correct, stopped
from .increments import random_increments
from .learned import AbstractLearnedMethod, finish, fit_model
from .models import ValueModel, ZModel, frozen, silent_network
from .paths import grid
from .problem import ParabolicProblem
from .scaling import find_scaling
from .solution import BSDESolution
from .stopping import finish_reflected, reflected_value, stopped_paths

WARM_UP = 2
"""Rounds of training that the last step gets before its own: it has no step after it to start from."""


class Pair(eqx.Module):
    """The networks of one step: u, and Z unless it is the derivative of u."""

    value_model: ValueModel
    z_model: ZModel | None

    def with_z(self, t: Any, x: Float[Array, " d"]) -> tuple[Float[Array, ""], Float[Array, " m"]]:
        """u and sigma^T grad u at one point."""
        if self.z_model is None:
            return self.value_model.with_z(t, x)
        return self.value_model(t, x), self.z_model(t, x)


def networks_of(pair: Pair) -> list[Any]:
    """The networks of a pair, where they can be replaced."""
    return [pair.value_model.network] + ([] if pair.z_model is None else [pair.z_model.network])


class Steps(eqx.Module):
    """All steps: the networks' arrays with the step as first axis; constant over a step, the first guess is not."""

    arrays: Any
    template: Pair
    num_steps: int = eqx.field(static=True)

    def at(self, n: Any) -> Pair:
        """The pair of step n."""
        found = jax.tree.map(lambda leaf: leaf[n], self.arrays)
        return with_arrays(self.template, found)

    def at_time(self, t: Any) -> Pair:
        """The pair of the step that holds the time."""
        problem = self.template.value_model.problem.value
        part = (t - problem.t0) / (problem.t1 - problem.t0) * self.num_steps
        # Times of the grid, rounded down, belong to the step that they begin.
        return self.at(jnp.clip(jnp.floor(part + 1e-3), 0, self.num_steps - 1).astype(jnp.int32))


class ValueOfSteps(eqx.Module):
    """u of all steps; never under the obstacle."""

    steps: Steps

    def __call__(self, t: Any, x: Float[Array, " d"]) -> Float[Array, ""]:
        """u at one point."""
        value_model = self.steps.at_time(t).value_model
        return reflected_value(value_model.problem.value, t, x, value_model(t, x))


class ContinuationOfSteps(eqx.Module):
    """The value of not stopping now."""

    steps: Steps

    def __call__(self, t: Any, x: Float[Array, " d"]) -> Float[Array, ""]:
        """The value at one point."""
        return self.steps.at_time(t).value_model(t, x)


class ZOfSteps(eqx.Module):
    """Z of all steps."""

    steps: Steps

    def __call__(self, t: Any, x: Float[Array, " d"]) -> Float[Array, " m"]:
        """sigma^T grad u at one point."""
        return self.steps.at_time(t).with_z(t, x)[1]


class Move(NamedTuple):
    """One step of one path."""

    t: Array
    x: Array
    dt: Array
    dw: Array
    x_next: Array


class Training(NamedTuple):
    """What `finish` reads of a training."""

    status: Array
    losses: Array
    num_steps: Array


class AbstractBackwardMethod(AbstractLearnedMethod):
    """A method that trains one step after the other from the end; a subclass says what a step must satisfy."""

    treats_obstacles: ClassVar[bool] = True
    learns_z: eqx.AbstractClassVar[bool]

    def __check_init__(self):
        if self.batch_size % 2:
            msg = f"`batch_size` must be even (pairs of opposite sign); got {self.batch_size}. Pass 256."
            raise ValueError(msg)

    @abc.abstractmethod
    def mismatch(self, problem: ParabolicProblem, pair: Pair, after: Pair, move: Move) -> Float[Array, ""]:
        """What is to be small in the mean square over one step of a path."""

    def compute(self, problem: ParabolicProblem, key: Any) -> BSDESolution:
        """Solve the problem; pure."""
        key_scale, key_net, key_z, key_train, key_paths = jax.random.split(key, 5)
        fixed = stopped(problem)
        scaling = find_scaling(fixed, key_scale, self.guess_draws)
        held = frozen(fixed, scaling)
        value_model = ValueModel(silent_network(problem, 2, self.width_for(problem), self.depth, key_net), **held)
        z_model = None
        if self.learns_z:
            network = silent_network(problem, problem.dim + 1, self.width_for(problem), self.depth, key_z)
            z_model = ZModel(network, **held)
        steps, trained = self.train(fixed, Pair(value_model, z_model), key_train)
        steps, size = stopped(steps), min(512, self.num_paths)
        models = {"z_model": ZOfSteps(steps), "value_model": ValueOfSteps(steps)}
        if problem.obstacle is not None:
            continuation = ContinuationOfSteps(steps)
            found = stopped_paths(
                problem, continuation, models["z_model"], key_paths, self.num_steps, self.num_paths, size
            )
            return finish_reflected(self, problem, found, trained, **models)
        u0 = lax.stop_gradient(models["value_model"](fixed.t0, fixed.x0))
        found = correct(problem, models["z_model"], u0, key_paths, self.num_steps, self.num_paths, size)
        return finish(self, problem, found, trained, **models)

    def train(self, problem: ParabolicProblem, pair: Pair, key: Any) -> tuple[Steps, Training]:
        """The networks of all steps, each starting from those of the step after."""

        def train_step(arrays, inputs):
            n, key = inputs
            start = with_arrays(pair, arrays)
            after = stopped(start)
            trained = fit_model(self, lambda pair, key: self.loss(problem, pair, after, n, key), start, key)
            arrays = arrays_of(trained.params)
            return arrays, (arrays, trained.losses, trained.status, trained.num_steps)

        order = jnp.asarray([self.num_steps - 1] * WARM_UP + list(range(self.num_steps - 1, -1, -1)))
        keys = jax.random.split(key, order.size)
        _, (arrays, losses, status, counts) = lax.scan(train_step, arrays_of(pair), (order, keys))
        forward = jax.tree.map(lambda leaf: leaf[WARM_UP:][::-1], arrays)
        return Steps(forward, pair, self.num_steps), Training(jnp.max(status), losses.reshape(-1), jnp.sum(counts))

    def loss(self, problem: ParabolicProblem, pair: Pair, after: Pair, n: Any, key: Any) -> Array:
        """The mean square of the mismatch at step n, in units of the terminal value's spread."""
        dt = (problem.t1 - problem.t0) / self.num_steps
        dw = random_increments(key, self.batch_size, self.num_steps + 1, problem.num_noises, dt, antithetic=True)
        t = grid(problem, self.num_steps)[n]

        def one(dw):
            # Paths begin one step's noise away from x0, so that the gradient at x0 is seen too.
            start = problem.x0 + problem.spread(problem.t0, problem.x0, dw[0])

            def walk(m, x):
                return problem.step(problem.t0 + m * dt, x, dt, dw[m + 1])

            x = lax.fori_loop(0, n, walk, start)
            last = dw[n + 1]
            return self.mismatch(problem, pair, after, Move(t, x, dt, last, problem.step(t, x, dt, last)))

        missed = jax.vmap(one)(dw) / pair.value_model.scaling.value.g_scale
        return self.num_steps * jnp.mean(missed**2)


def with_arrays(pair: Pair, arrays: Any) -> Pair:
    """The pair with the networks' arrays replaced."""
    return eqx.tree_at(networks_of, pair, eqx.combine(arrays, networks_of(pair)))


def arrays_of(pair: Pair) -> Any:
    """The arrays of the networks of a pair."""
    return eqx.filter(networks_of(pair), eqx.is_inexact_array)


def value_after(problem: ParabolicProblem, after: Pair, move: Move) -> Float[Array, ""]:
    """The value at the end of the step: the terminal condition at the last one, by construction; over the obstacle."""
    t = move.t + move.dt
    return reflected_value(problem, t, move.x_next, after.value_model(t, move.x_next))
