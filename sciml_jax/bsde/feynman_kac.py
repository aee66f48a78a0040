"""Linear equations as expectations."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..training.checks import as_count
from .base import AbstractBSDEMethod
from .increments import lattice_increments, pairs_summed
from .problem import ParabolicProblem
from .solution import BSDESolution
from .status import BSDEStatus


class FeynmanKac(AbstractBSDEMethod):
    r"""Monte Carlo for drivers affine in `u` and `z`, $f = c(t,x) + a(t,x)\,u + b(t,x)\cdot z$.

    .. math:: u(t_0, x_0) = E\Big[ e^{A_{t_1}} g(X_{t_1}) + \int_{t_0}^{t_1} e^{A_s} c(s, X_s)\,ds \Big],
       \quad A_t = \int_{t_0}^t a\,ds, \quad dX = (\mu + \sigma b)\,dt + \sigma\,dW .

    The coefficients are read off the driver by differentiation. Paths come from randomly shifted lattices (quasi-Monte
    Carlo), the first dimensions along the principal components of the path; the mean over independent shifts is
    unbiased and their spread gives the standard error. The error of the steps in time is extrapolated from $N$ and $2N$
    steps on the same paths.

    Parameters
    ----------
    num_points
        Points of each lattice, a prime.
    num_shifts
        Independent shifts, at least 2.
    num_steps
        N. None takes one exact step where the forward step is exact and the driver is zero, and 16 otherwise.

    Notes
    -----
    Statuses: `NOT_LINEAR` where the driver is not affine (found at random arguments), `NON_FINITE`. `u0_error` adds the
    size of the extrapolated correction. Cost: `num_shifts num_points 3 N` steps, memory one shift's paths. `u0` can be
    differentiated with respect to whatever the problem holds (pathwise: `terminal` must be continuous). Do not use it
    for payoffs with jumps and expect the lattice's rate.

    Where sigma or the coefficients are such that paths explode, or where $e^A$ varies over many orders of magnitude,
    the variance is large: look at the standard error.

    References
    ----------
    Glasserman, Monte Carlo Methods in Financial Engineering, Springer 2003, sections 5.5 and 6.2; Talay & Tubaro,
    Expansion of the global error for numerical schemes solving stochastic differential equations, Stoch. Anal. Appl. 8
    (1990).
    """

    num_points: int = eqx.field(static=True, default=1021)
    num_shifts: int = eqx.field(static=True, default=32)
    num_steps: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        as_count(self.num_points, "num_points")
        if as_count(self.num_shifts, "num_shifts") < 2:
            msg = f"`num_shifts` must be at least 2, to estimate the error; got {self.num_shifts}. Pass 32."
            raise ValueError(msg)
        if self.num_steps is not None:
            as_count(self.num_steps, "num_steps")

    def compute(self, problem: ParabolicProblem, key: Any) -> BSDESolution:
        """Solve the problem; pure."""
        exact = problem.driver is None and forward_is_exact(problem)
        num_steps = self.num_steps or (1 if exact else 16)
        fine = num_steps if exact else 2 * num_steps
        key_paths, key_check = jax.random.split(key)

        def one_shift(key):
            dt = (problem.t1 - problem.t0) / fine
            dw = lattice_increments(key, self.num_points, fine, problem.num_noises, dt)
            value = jnp.mean(jax.vmap(lambda dw: path_value(problem, dw))(dw))
            if exact:
                return value, jnp.zeros_like(value)
            coarse = jnp.mean(jax.vmap(lambda dw: path_value(problem, dw))(pairs_summed(dw)))
            return 2 * value - coarse, value - coarse

        values, corrections = lax.map(one_shift, jax.random.split(key_paths, self.num_shifts))
        u0, correction = jnp.mean(values), jnp.mean(corrections)
        spread = jnp.std(lax.stop_gradient(values), ddof=1) / jnp.sqrt(self.num_shifts)
        status = jnp.where(_is_affine(problem, key_check), BSDEStatus.SUCCESS, BSDEStatus.NOT_LINEAR)
        status = jnp.where(jnp.isfinite(u0) & jnp.isfinite(spread), status, BSDEStatus.NON_FINITE).astype(jnp.int32)
        return BSDESolution(
            u0=jnp.where(status == 0, u0, jnp.nan),
            u0_standard_error=spread,
            u0_error=spread + jnp.abs(correction),
            status=status,
            stats={"num_paths": self.num_points * self.num_shifts, "num_steps": fine, "time_correction": correction},
            losses=None,
            problem=problem,
            method=self.name,
        )


def forward_is_exact(problem: ParabolicProblem) -> bool:
    """Whether steps of the forward equation have no error: a known transition, or constant coefficients."""
    return problem.transition is not None or not (callable(problem.drift) or callable(problem.diffusion))


def affine_coefficients(problem: ParabolicProblem, t: Any, x: Float[Array, " d"]) -> tuple[Array, Array, Array]:
    """c, a and b of a driver that is affine in u and Z."""
    zero, no_z = jnp.zeros((), x.dtype), jnp.zeros(problem.num_noises, x.dtype)
    c, (a, b) = jax.value_and_grad(lambda u, z: problem.f(t, x, u, z), argnums=(0, 1))(zero, no_z)
    return c, a, b


def path_value(problem: ParabolicProblem, dw: Float[Array, "N m"]) -> Float[Array, ""]:
    """The discounted terminal value and source along one path."""
    num_steps = dw.shape[0]
    dt = (problem.t1 - problem.t0) / num_steps
    zero = jnp.zeros((), problem.x0.dtype) * dw[0, 0]

    def step(carry, inputs):
        x, log_weight, total = carry
        n, increment = inputs
        t = problem.t0 + n * dt
        c, a, b = affine_coefficients(problem, t, x)
        # Shifted increments move the drift by sigma b, in Euler's step and in an exact one.
        x = problem.step(t, x, dt, increment + b * dt)
        return (x, log_weight + a * dt, total + jnp.exp(log_weight) * c * dt), None

    steps = jnp.arange(num_steps, dtype=problem.x0.dtype)
    (x, log_weight, total), _ = lax.scan(step, (problem.x0 + zero, zero, zero), (steps, dw))
    return total + jnp.exp(log_weight) * problem.g(x)


def _is_affine(problem: ParabolicProblem, key: Any) -> Array:
    """Whether the driver equals its linearisation at random arguments of the solution's scale."""
    if problem.driver is None:
        return jnp.asarray(True)
    x = problem.x0
    scale = 1 + jnp.abs(problem.g(x))
    c, a, b = affine_coefficients(problem, problem.t0, x)

    def holds(key):
        key_u, key_z = jax.random.split(key)
        u = scale * jax.random.normal(key_u, (), x.dtype)
        z = scale * jax.random.normal(key_z, (problem.num_noises,), x.dtype)
        terms = jnp.stack((c, a * u, jnp.dot(b, z)))
        size = jnp.sum(jnp.abs(terms)) + jnp.dot(jnp.abs(b), jnp.abs(z))
        gap = jnp.abs(problem.f(problem.t0, x, u, z) - jnp.sum(terms))
        return gap <= 1e3 * jnp.finfo(x.dtype).eps * (size + jnp.finfo(x.dtype).tiny)

    return jnp.all(jax.vmap(holds)(jax.random.split(key, 16)))
