"""The deep BSDE method."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from .correction import correct, stopped
from .increments import random_increments
from .learned import AbstractLearnedMethod, finish, fit_model
from .models import ZModel, frozen, silent_network
from .paths import forward_path, grid
from .problem import ParabolicProblem
from .scaling import find_scaling
from .solution import BSDESolution


class Shot(eqx.Module):
    """What deep BSDE trains: the start value, in units of the terminal value's spread, and Z."""

    start: Array
    z_model: Any

    def u0(self) -> Array:
        """The start value."""
        scaling = self.z_model.scaling.value
        return scaling.g_mean + scaling.g_scale * self.start


class DeepBSDE(AbstractLearnedMethod):
    r"""Shooting for the terminal condition: a network for $Z$ and a number for $u_0$.

    .. math:: \min E\,|g(X_{t_1}) - \hat Y_{t_1}|^2, \qquad
       \hat Y_{n+1} = \hat Y_n - f(t_n, X_n, \hat Y_n, \hat Z_n)\,h + \hat Z_n\cdot \Delta W_n, \qquad \hat Y_0 = u_0 .

    One network of $(t, x)$, evaluated at all steps of all paths in one product of matrices, corrects a first guess: the
    gradient of the solution without driver, from a few fixed draws. After training, fresh paths correct the trained
    value by one Newton step in path space, which cancels errors of the network to first order and gives `u0` with its
    standard error.

    Parameters
    ----------
    num_steps
        Steps in time N of the training; the value is extrapolated from N and 2N.
    batch_size, num_iterations, learning_rate
        Paths per training step; steps of Adam; its largest rate, which decays along a cosine.
    width, depth
        Of the network; width None takes `d + 10`, at most 256 and at least 32.
    num_paths
        Fresh paths for the value.
    guess_draws
        Draws of the first guess, even.

    Notes
    -----
    Returns `sol.z` and `sol.gradient`, not `sol(t, x)`. `u0_error` is the standard error, plus the change between N and
    2N steps, plus the driver's curvature along random directions as large as the network's errors. `u0` is
    differentiable with respect to what the problem holds, the network held fixed. Use `jax.vmap` over keys for
    independent trainings in one program.

    Statuses: `NON_FINITE`, `DIVERGED`. Cost per training step `batch_size num_steps` evaluations of the network, linear
    in d at a fixed width; memory the same. Do not use it at d <= 3, where a grid is better, nor for drivers so
    stiff that `N` explicit steps are unstable.

    References
    ----------
    Han, Jentzen & E, Solving high-dimensional partial differential equations using deep learning, PNAS 115 (2018).
    """

    num_steps: int = eqx.field(static=True, default=20)
    batch_size: int = eqx.field(static=True, default=64)
    num_iterations: int = eqx.field(static=True, default=200)
    learning_rate: float = eqx.field(static=True, default=2e-3)
    width: int | None = eqx.field(static=True, default=None)
    depth: int = eqx.field(static=True, default=2)
    num_paths: int = eqx.field(static=True, default=8192)
    guess_draws: int = eqx.field(static=True, default=8)

    def compute(self, problem: ParabolicProblem, key: Any) -> BSDESolution:
        """Solve the problem; pure."""
        key_scale, key_net, key_train, key_paths = jax.random.split(key, 4)
        fixed = stopped(problem)
        scaling = find_scaling(fixed, key_scale, self.guess_draws)
        network = silent_network(problem, problem.dim + 1, self.width_for(problem), self.depth, key_net)
        start = jnp.zeros((), problem.x0.dtype)
        shot = Shot(start, ZModel(network, **frozen(fixed, scaling)))
        trained = fit_model(self, lambda shot, key: self.loss(fixed, shot, key), shot, key_train)
        shot = stopped(trained.params)
        found = correct(problem, shot.z_model, shot.u0(), key_paths, self.num_steps, self.num_paths, 512)
        return finish(self, problem, found, trained, z_model=shot.z_model)

    def loss(self, problem: ParabolicProblem, shot: Shot, key: Any) -> Array:
        """The mean square of the terminal mismatch, in units of the terminal value's spread."""
        dt = (problem.t1 - problem.t0) / self.num_steps
        dw = random_increments(key, self.batch_size, self.num_steps, problem.num_noises, dt)
        xs = jax.vmap(lambda dw: forward_path(problem, dw))(dw)
        ts = grid(problem, self.num_steps)[:-1]
        zs = jax.vmap(jax.vmap(shot.z_model), in_axes=(None, 0))(ts, xs[:, :-1])

        def shoot(xs, zs, dw):
            def step(y, inputs):
                t, x, z, increment = inputs
                return y - problem.f(t, x, y, z) * dt + jnp.dot(z, increment), None

            end, _ = lax.scan(step, shot.u0(), (ts, xs[:-1], zs, dw))
            return problem.g(xs[-1]) - end

        missed = jax.vmap(shoot)(xs, zs, dw) / shot.z_model.scaling.value.g_scale
        return jnp.mean(missed**2)
