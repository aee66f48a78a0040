"""Deep splitting."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .backward import AbstractBackwardMethod, Move, Pair, value_after
from .problem import ParabolicProblem


class DeepSplitting(AbstractBackwardMethod):
    r"""The driver explicit at the end of each step, then a linear equation solved by regression.

    From the end, $n = N-1, \dots, 0$, with $\hat u_N = g$ and one network per step,

    .. math:: \min E\,\big|\hat u_{n+1}(X_{n+1}) + h\,f(t_{n+1}, X_{n+1}, \hat u_{n+1}, \sigma^T\nabla\hat u_{n+1})
       - \nabla v(t_n, X_n)^T\sigma\,\Delta W_n - u_n(X_n)\big|^2 .

    Nothing of the trained network is differentiated in the training: the cheapest of the backward methods. The
    martingale of the first guess v (the solution without driver) has mean zero whatever v is and takes most of the
    noise off the target; the published scheme regresses without it.

    Parameters
    ----------
    num_steps, batch_size, num_iterations, learning_rate, width, depth, num_paths, guess_draws
        As for `DBDP1`.

    Notes
    -----
    Returns `sol(t, x)`, `sol.gradient` and `sol.z`. Errors, statuses, obstacles and memory: see `DBDP1`. Gradients are
    those of a regression of values, noisier than `DBDP1`'s: choose that for hedges. Explicit in the driver: drivers
    whose Lipschitz constant times h is above one are unstable.

    References
    ----------
    Beck, Becker, Cheridito, Jentzen & Neufeld, Deep splitting method for parabolic PDEs, SIAM J. Sci. Comput. 43 (2021)
    A3135-A3154.
    """

    num_steps: int = eqx.field(static=True, default=20)
    batch_size: int = eqx.field(static=True, default=256)
    num_iterations: int = eqx.field(static=True, default=50)
    learning_rate: float = eqx.field(static=True, default=3e-3)
    width: int | None = eqx.field(static=True, default=None)
    depth: int = eqx.field(static=True, default=2)
    num_paths: int = eqx.field(static=True, default=8192)
    guess_draws: int = eqx.field(static=True, default=8)
    learns_z: ClassVar[bool] = False

    def mismatch(self, problem: ParabolicProblem, pair: Pair, after: Pair, move: Move) -> Float[Array, ""]:
        """The value after the step with the driver's part, less the value before."""
        t, x = move.t + move.dt, move.x_next

        def value(x):
            return value_after(problem, after, move._replace(x_next=x))

        u, gradient = jax.value_and_grad(value)(x)
        driven = u + move.dt * problem.f(t, x, u, problem.to_z(t, x, gradient))
        slope = pair.value_model.scaling.value.guess_gradient(problem, move.t, move.x)
        noise = jnp.dot(problem.to_z(move.t, move.x, slope), move.dw)
        return jax.lax.stop_gradient(driven - noise) - pair.value_model(move.t, move.x)
