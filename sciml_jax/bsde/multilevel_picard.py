"""Multilevel Picard iteration: no network, no grid."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from ..training.checks import as_count
from .base import AbstractBSDEMethod
from .dependence import depends_on
from .feynman_kac import forward_is_exact
from .picard_tree import PicardTree
from .problem import ParabolicProblem
from .solution import BSDESolution
from .status import BSDEStatus


class MultilevelPicard(AbstractBSDEMethod):
    r"""Picard's iteration for $(u, Z)$ with sampled expectations of its differences, fewer samples for finer ones.

    .. math:: U_n(t,x) = \frac1{M^n} \sum_i g(X^i_{t_1}) + \sum_{l=0}^{n-1} \frac1{M^{n-l}} \sum_i
       \frac{(F(U_l) - 1_{l>0} F(U_{l-1}))(s_i, X^i_{s_i})}{\rho(s_i)}, \qquad F(U)(t,x) = f(t, x, U, Z),

    with $s$ drawn so that $\rho(s) \propto (s-t)^{-1/2}$. $Z$ has the gradient of $g$ along the path in its first sum
    and the weights $(W_s - W_t)/(s - t)$ of Bismut, Elworthy and Li in the others. Noise comes in pairs of opposite
    sign. Independent repetitions give the standard error; the difference from one level less that of the iteration.

    Parameters
    ----------
    level
        n, the number of iterations.
    basis
        M, the number of samples that a level multiplies.
    num_repeats
        Independent repetitions, at least 2.
    num_steps
        Steps of the forward equation between two times; None takes 1 where it is exact and 8 elsewhere.

    Raises
    ------
    ValueError
        Where the driver depends on `z` and `drift` or `diffusion` are functions: the weights are for constant ones.

    Notes
    -----
    Cost about `num_repeats (4 M)^n` samples, linear in d; memory that of one repetition. Status `NON_FINITE`. No
    function of `(t, x)`: `u0` only, differentiable with respect to what the problem holds. The iteration converges as
    `(L t)^n / n!` for a Lipschitz constant L: do not use it for long times or stiff drivers. With `z` in the driver the
    variance grows with d. Where sampling dominates raise `basis` or `num_repeats`, else `level`.

    References
    ----------
    E, Hutzenthaler, Jentzen & Kruse, On multilevel Picard numerical approximations for high-dimensional nonlinear
    parabolic partial differential equations and high-dimensional backward stochastic differential equations, J. Sci.
    Comput. 79 (2019); Hutzenthaler & Kruse, SIAM J. Numer. Anal. 58 (2020) (gradients).
    """

    level: int = eqx.field(static=True, default=4)
    basis: int = eqx.field(static=True, default=4)
    num_repeats: int = eqx.field(static=True, default=8)
    num_steps: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        for name in ("level", "basis"):
            as_count(getattr(self, name), name)
        if self.num_steps is not None:
            as_count(self.num_steps, "num_steps")
        if as_count(self.num_repeats, "num_repeats") < 2:
            msg = f"`num_repeats` must be at least 2, to estimate the error; got {self.num_repeats}. Pass 8."
            raise ValueError(msg)

    def check(self, problem: ParabolicProblem) -> None:
        """Refuse problems that the method cannot take."""
        constant = problem.transition is None and not (callable(problem.drift) or callable(problem.diffusion))
        if _uses_z(problem) and not (constant and len(problem.sigma_shape) < 2):
            msg = (
                "`MultilevelPicard` takes a driver that depends on `z` only with a constant drift and a constant "
                "scalar or diagonal diffusion; got functions, a matrix or a transition. Use `sj.bsde.DeepBSDE()`."
            )
            raise ValueError(msg)

    def compute(self, problem: ParabolicProblem, key: Any) -> BSDESolution:
        """Solve the problem; pure."""
        exact = forward_is_exact(problem)
        tree = PicardTree(self.level, self.basis, self.num_steps or (1 if exact else 8), _uses_z(problem))
        values, lower, steps = lax.map(lambda key: tree(problem, key), jax.random.split(key, self.num_repeats))
        u0 = jnp.mean(values)
        error = jnp.std(lax.stop_gradient(values), ddof=1) / jnp.sqrt(self.num_repeats)
        change = u0 - jnp.mean(lower)
        step_error = jnp.zeros_like(u0) if exact else jnp.abs(jnp.mean(steps))
        status = jnp.where(jnp.isfinite(u0) & jnp.isfinite(error), BSDEStatus.SUCCESS, BSDEStatus.NON_FINITE)
        return BSDESolution(
            u0=u0,
            u0_standard_error=error,
            u0_error=error + jnp.abs(change) + step_error,
            status=status.astype(jnp.int32),
            stats={
                "level": self.level,
                "num_repeats": self.num_repeats,
                "last_change": change,
                "time_correction": step_error,
            },
            losses=None,
            problem=problem,
            method=self.name,
        )


def _uses_z(problem: ParabolicProblem) -> bool:
    if problem.driver is None:
        return False
    z = jnp.zeros(problem.num_noises, problem.x0.dtype)
    return depends_on(lambda t, x, u, z: problem.f(t, x, u, z), 3, problem.t0, problem.x0, problem.t0, z)
