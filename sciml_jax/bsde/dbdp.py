"""Deep backward dynamic programming."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .backward import AbstractBackwardMethod, Move, Pair, value_after
from .problem import ParabolicProblem


class DBDP1(AbstractBackwardMethod):
    r"""Backward dynamic programming with two networks per step, for $u$ and $Z$.

    From the end, $n = N-1, \dots, 0$, with $\hat u_N = g$,

    .. math:: \min E\,\big|\hat u_{n+1}(X_{n+1}) - \big(u_n - f(t_n, X_n, u_n, z_n)\,h + z_n\cdot\Delta W_n\big)
       \big|^2, \qquad u_n = u_n(X_n),\ z_n = z_n(X_n) .

    Each step is a regression over one step of the equation, so the training cannot be stuck in a bad start of a long
    path. It starts from the networks of the step after. With an obstacle in the problem (American options),
    $\hat u_{n+1}$ is replaced by its maximum with the obstacle (RDBDP).

    The networks correct the solution without driver as in `DeepBSDE`, and fresh paths correct the value.

    Parameters
    ----------
    num_steps
        Steps in time N of the training; the value is extrapolated from N and 2N.
    batch_size, num_iterations, learning_rate
        Paths per training step, even (pairs of opposite sign); steps of Adam for each of the N steps in time; its
        largest rate, which decays along a cosine at each.
    width, depth
        Of each network; width None takes `d + 10`, at most 256 and at least 32.
    num_paths
        Fresh paths for the value.
    guess_draws
        Draws of the first guess, even.

    Notes
    -----
    Returns `sol(t, x)`, `sol.gradient` and `sol.z`, by the networks of the step that holds t. Without an obstacle
    errors, statuses and derivatives are `DeepBSDE`'s. With one, `u0` is the middle of a lower bound (a stopping rule)
    and an upper one (by duality), in `sol.stats`; `u0_error` adds half their gap and the change from N to 2N dates.
    They are bounds where the driver is affine in u and free of z.

    Statuses: `NON_FINITE`, `DIVERGED`. Cost `(N + 2) num_iterations batch_size` evaluations of the two networks, plus
    as many paths; memory one batch, and the networks of all steps. Choose `DeepBSDE` where only `u0` is wanted and
    there is no obstacle.

    References
    ----------
    Hure, Pham & Warin, Deep backward schemes for high-dimensional nonlinear PDEs, Math. Comp. 89 (2020) 1547-1579.
    """

    num_steps: int = eqx.field(static=True, default=20)
    batch_size: int = eqx.field(static=True, default=256)
    num_iterations: int = eqx.field(static=True, default=50)
    learning_rate: float = eqx.field(static=True, default=3e-3)
    width: int | None = eqx.field(static=True, default=None)
    depth: int = eqx.field(static=True, default=2)
    num_paths: int = eqx.field(static=True, default=8192)
    guess_draws: int = eqx.field(static=True, default=8)
    learns_z: ClassVar[bool] = True

    def mismatch(self, problem: ParabolicProblem, pair: Pair, after: Pair, move: Move) -> Float[Array, ""]:
        """The value after the step less what the equation makes of the value before."""
        return backward_mismatch(problem, pair, after, move)


class DBDP2(AbstractBackwardMethod):
    r"""Backward dynamic programming with one network per step, for $u$, and $Z = \sigma^T\nabla u$ by differentiation.

    As `DBDP1` in everything else, options included. The gradient belongs to the value, at the cost of derivatives of
    derivatives in the training; `DBDP1` is about as accurate and cheaper in high dimensions.

    Notes
    -----
    Errors, statuses, obstacles and memory: see `DBDP1`. Cost about three times one network's evaluations.

    References
    ----------
    Hure, Pham & Warin, Deep backward schemes for high-dimensional nonlinear PDEs, Math. Comp. 89 (2020) 1547-1579.
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
        """The value after the step less what the equation makes of the value before."""
        return backward_mismatch(problem, pair, after, move)


def backward_mismatch(problem: Any, pair: Pair, after: Pair, move: Move) -> Float[Array, ""]:
    """The value after the step less what the equation makes of the value before."""
    u, z = pair.with_z(move.t, move.x)
    made = u - problem.f(move.t, move.x, u, z) * move.dt + jnp.dot(z, move.dw)
    return value_after(problem, after, move) - made
