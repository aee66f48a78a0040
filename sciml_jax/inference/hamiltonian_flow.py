"""Hamiltonian Monte Carlo's path as the solution of an ordinary differential equation."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.callables import as_callable
from ..core.tree import is_concrete
from ..equations.hamiltonian import HamiltonianProblem
from ..equations.methods.symplectic import AbstractSymplecticMethod
from ..equations.methods.velocity_verlet import VelocityVerlet
from ..equations.solution import Solution
from ..equations.solve import solve
from ..training.checks import as_count
from .posterior import Posterior


class PosteriorHamiltonian(eqx.Module):
    r"""$H(u, p) = -\log p(u \mid y) + \tfrac12 p^T M^{-1} p$, a function `(u, p, args) -> energy`.

    Attributes
    ----------
    log_density
        The density's logarithm, a function of the position.
    inverse_mass
        $M^{-1}$: (), (dim,) or (dim, dim).
    """

    log_density: Callable
    inverse_mass: Array

    def __call__(self, position: Float[Array, " dim"], momentum: Float[Array, " dim"], args: Any = None) -> Array:
        """The energy."""
        del args
        return self.kinetic(momentum) - self.log_density(position)

    def kinetic(self, momentum: Float[Array, " dim"]) -> Array:
        """The kinetic energy."""
        velocity = self.inverse_mass @ momentum if self.inverse_mass.ndim == 2 else self.inverse_mass * momentum
        return 0.5 * jnp.vdot(momentum, velocity)


def hamiltonian_flow(
    posterior: Posterior | Callable[[Array], Array],
    position: Float[Array, " dim"],
    momentum: Float[Array, " dim"],
    *,
    step_size: Any,
    num_steps: int,
    method: AbstractSymplecticMethod | None = None,
    inverse_mass: Any = None,
    saveat: Any = None,
) -> Solution:
    r"""Follow Hamilton's equations of a posterior.

    .. math:: \dot u = M^{-1} p, \qquad \dot p = \nabla \log p(u \mid y),

    for `num_steps` steps of a symplectic method. With velocity Verlet it is the leapfrog path of `hmc` and `nuts`.

    Parameters
    ----------
    posterior
        A `Posterior`, or any log density of a vector.
    position, momentum
        Start on the unconstrained space, each (dim,).
    step_size
        Of time; negative goes backwards.
    num_steps
        Steps.
    method
        A symplectic method: `sj.VelocityVerlet()` (default), `sj.Yoshida4()`, `sj.KahanLi8()`, ...
    inverse_mass
        $M^{-1}$: a number, (dim,) for a diagonal, or (dim, dim). None: one.
    saveat
        Times at which to keep `(position, momentum)` besides the end, as for `sj.solve`.

    Returns
    -------
    A `Solution`: `position, momentum = sol.y1` at the end, `sol.ys` along the path; `sol.problem` is not kept, the
    energy is `PosteriorHamiltonian(posterior.log_density, inverse_mass)(position, momentum)`. Failures are a status.

    Raises
    ------
    TypeError, ValueError
        For a method that is not symplectic, shapes that do not match, a step of zero, or `num_steps` that is not
        positive.

    Notes
    -----
    Reversible (negate the momentum and go on: the path returns) and volume-preserving, the two facts that make
    `min(1, exp(-dH))` the right acceptance; the energy error stays of the order of the method's. Composes under `jit`,
    `vmap` and `grad`. For sampling use `hmc`; this is the map inside it, for other integrators and for study.

    References
    ----------
    Neal, MCMC using Hamiltonian dynamics, in Handbook of Markov Chain Monte Carlo (2011).
    Hairer, Lubich & Wanner, Geometric Numerical Integration (2006), chapter VI.
    """
    method = VelocityVerlet() if method is None else method
    if not isinstance(method, AbstractSymplecticMethod):
        msg = (
            f"`method` must be symplectic, or the acceptance would be wrong; got {method!r}. Use sj.VelocityVerlet(), "
            "sj.Yoshida4() or another one for separable Hamiltonians."
        )
        raise TypeError(msg)
    num_steps = as_count(num_steps, "num_steps")
    step_size = jnp.asarray(step_size, float)
    if is_concrete(step_size) and not bool(jnp.isfinite(step_size) & (step_size != 0.0)):
        msg = f"`step_size` must be finite and not zero; got {float(step_size)}. Pass step_size=0.1, for example."
        raise ValueError(msg)
    position, momentum = jnp.asarray(position, float), jnp.asarray(momentum, float)
    inverse_mass = jnp.asarray(1.0 if inverse_mass is None else inverse_mass, position.dtype)
    _check_shapes(posterior, position, momentum, inverse_mass)
    if isinstance(posterior, Posterior):
        log_density: Callable = jax.tree_util.Partial(_log_density, posterior)
    else:
        log_density = as_callable(posterior, "posterior", "position")
    energy = PosteriorHamiltonian(log_density, inverse_mass)
    problem = HamiltonianProblem(energy, position, momentum, 0.0, step_size * num_steps)
    return solve(problem, method, dt0=step_size, saveat=saveat, max_steps=num_steps + 1, on_failure="status")


def _log_density(posterior: Posterior, position: Array) -> Array:
    return posterior.log_density(position)


def _check_shapes(posterior: Any, position: Array, momentum: Array, inverse_mass: Array) -> None:
    dim = posterior.dim if isinstance(posterior, Posterior) else position.size
    if position.shape != (dim,) or momentum.shape != (dim,):
        msg = (
            f"`position` and `momentum` must have the shape ({dim},); got {position.shape} and {momentum.shape}. Use "
            "jax.vmap for many paths."
        )
        raise ValueError(msg)
    if inverse_mass.shape not in ((), (dim,), (dim, dim)):
        msg = (
            f"`inverse_mass` must be a number or have the shape ({dim},) or ({dim}, {dim}); got {inverse_mass.shape}. "
            "Pass variances, or a covariance, of the unconstrained parameters."
        )
        raise ValueError(msg)
