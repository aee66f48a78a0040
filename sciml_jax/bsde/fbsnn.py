"""One network of u, trained along paths."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from .correction import correct, stopped
from .increments import random_increments
from .learned import AbstractLearnedMethod, finish, fit_model
from .models import ValueModel, ZOfValue, frozen, silent_network
from .paths import forward_path, grid
from .problem import ParabolicProblem
from .scaling import find_scaling
from .solution import BSDESolution


class FBSNN(AbstractLearnedMethod):
    r"""One network for $u(t, x)$ with $Z = \sigma^T \nabla u$ by differentiation, trained along paths.

    .. math:: \min E \frac1N \sum_n \Big|\sum_{m \ge n} r_m\Big|^2, \qquad
       r_m = u(t_{m+1}, X_{m+1}) - u(t_m, X_m) + f(t_m, X_m, u, Z)\,h - Z\cdot\Delta W_m .

    The sums run to the end of the path. Squares of single steps, $\sum_m |r_m|^2$ (`stepwise=True`, Raissi's loss),
    weigh the error of the equation by h, like the second-order noise of a step that no solution can remove: their
    minimum is not at the solution however small h. With the sums the equation weighs O(1) and the noise O(h).

    The terminal condition holds by construction: the network corrects the mean of $g$ over a few fixed draws, by an
    amount that vanishes at the end. Fresh paths then correct the value as in `DeepBSDE`. Returns `sol(t, x)`,
    `sol.gradient` and `sol.z`, good near the paths that start at `x0`.

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
    stepwise
        Whether to square single steps.

    Notes
    -----
    The loss has a bias of O(h), which shows in `sol(t, x)`, and in `u0` to second order only. Statuses, errors and
    derivatives as for `DeepBSDE`. Cost per training step about twice `DeepBSDE`'s. Choose `DeepBSDE` where only the
    value and the gradient are wanted.

    References
    ----------
    Raissi, Forward-backward stochastic neural networks, arXiv 1804.07010 (2018).
    """

    num_steps: int = eqx.field(static=True, default=20)
    batch_size: int = eqx.field(static=True, default=64)
    num_iterations: int = eqx.field(static=True, default=300)
    learning_rate: float = eqx.field(static=True, default=2e-3)
    width: int | None = eqx.field(static=True, default=None)
    depth: int = eqx.field(static=True, default=2)
    num_paths: int = eqx.field(static=True, default=8192)
    guess_draws: int = eqx.field(static=True, default=8)
    stepwise: bool = eqx.field(static=True, default=False)

    def compute(self, problem: ParabolicProblem, key: Any) -> BSDESolution:
        """Solve the problem; pure."""
        key_scale, key_net, key_train, key_paths = jax.random.split(key, 4)
        fixed = stopped(problem)
        scaling = find_scaling(fixed, key_scale, self.guess_draws)
        network = silent_network(problem, 2, self.width_for(problem), self.depth, key_net)
        model = ValueModel(network, **frozen(fixed, scaling))
        trained = fit_model(self, lambda model, key: self.loss(fixed, model, key), model, key_train)
        model = stopped(trained.params)
        u0 = jax.lax.stop_gradient(model(fixed.t0, fixed.x0))
        found = correct(problem, ZOfValue(model), u0, key_paths, self.num_steps, self.num_paths, 512)
        return finish(self, problem, found, trained, z_model=ZOfValue(model), value_model=model)

    def loss(self, problem: ParabolicProblem, model: ValueModel, key: Any) -> Array:
        """The mean square of residuals, summed from each time to the end, in units of the terminal value's spread."""
        dt = (problem.t1 - problem.t0) / self.num_steps
        dw = random_increments(key, self.batch_size, self.num_steps, problem.num_noises, dt)
        xs = jax.vmap(lambda dw: forward_path(problem, dw))(dw)
        ts = grid(problem, self.num_steps)
        us, zs = jax.vmap(jax.vmap(model.with_z), in_axes=(None, 0))(ts[:-1], xs[:, :-1])
        ends = jax.vmap(problem.g)(xs[:, -1])
        fs = jax.vmap(jax.vmap(problem.f), in_axes=(None, 0, 0, 0))(ts[:-1], xs[:, :-1], us, zs)
        after = jnp.concatenate((us[:, 1:], ends[:, None]), axis=1)
        missed = (after - us + fs * dt - jnp.sum(zs * dw, axis=2)) / model.scaling.value.g_scale
        if self.stepwise:
            return jnp.mean(jnp.sum(missed**2, axis=1))
        to_end = jnp.cumsum(missed[:, ::-1], axis=1)
        return jnp.mean(to_end**2)
