"""Bayesian physics-informed networks: the density of weights and unknown parameters, for any sampler."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..core.frozen import is_trained
from ..equations.keys import as_key
from ..training.checks import as_count
from .data_conditions import Data
from .pinn import PINN
from .problem import PDEProblem
from .residual_system import ResidualSystem
from .solution import PINNSolution


class LogDensity(eqx.Module):
    """`position -> number`: the logarithm of a posterior density, up to a constant; see `log_density`.

    Attributes
    ----------
    start
        The position at which to start a chain: `{"network": weights, "unknown": parameters}`.
    """

    system: ResidualSystem
    start: dict[str, PyTree]
    points: Array
    items: list
    scales: tuple[Any, ...]
    """Standard deviations of the equation and of every condition."""
    prior_scale: Any
    unknown_prior: Callable | None
    power: Any

    def __call__(self, position: dict[str, PyTree]) -> Float[Array, ""]:
        """The log density at a position."""
        return self.power * self.log_likelihood(position) + self.log_prior(position)

    def log_likelihood(self, position: dict[str, PyTree]) -> Float[Array, ""]:
        """Of the equation, the conditions and the measurements together."""
        vector = self._vector(position)
        groups = zip((self.system.residual, *self.system.condition_rows()), (self.points, *self.items), self.scales)
        total = jnp.zeros((), vector.dtype)
        for row, items, scale in groups:
            misfits = jax.vmap(lambda item, row=row: row(vector, item))(items)
            total = total - 0.5 * jnp.sum((misfits / scale) ** 2)
        return total

    def log_prior(self, position: dict[str, PyTree]) -> Float[Array, ""]:
        """Of the weights, which are normal, and of the unknown parameters."""
        weights = jax.tree_util.tree_leaves(position["network"])
        total: Any = sum(-0.5 * jnp.sum((leaf / self.prior_scale) ** 2) for leaf in weights)
        return total if self.unknown_prior is None else total + self.unknown_prior(position["unknown"])

    def function(self, position: dict[str, PyTree]) -> Callable[[Array], Array]:
        """`u(z)` at a position: for predictions from draws."""
        return self.system.function(self._vector(position))[0]

    def _vector(self, position: dict[str, PyTree]) -> Array:
        leaves = jax.tree_util.tree_leaves((position["network"], position["unknown"]))
        return jnp.concatenate([jnp.ravel(leaf) for leaf in leaves])


def log_density(
    problem: PDEProblem,
    network: Any = None,
    *,
    noise: Any = 1.0,
    residual_scale: Any,
    condition_scale: Any = None,
    prior_scale: Any = 1.0,
    unknown_prior: Callable | None = None,
    power: Any = 1.0,
    num_points: int = 100,
    num_boundary: int = 20,
    key: Any,
) -> LogDensity:
    r"""The posterior density of a network's weights and of unknown parameters, as a plain function for any sampler.

    .. math:: \log p = \beta \Big[ -\sum_i \frac{r(z_i)^2}{2 \sigma_r^2} - \sum_j \frac{c_j^2}{2 \sigma_c^2}
        - \sum_k \frac{(u(z_k) - y_k)^2}{2 \sigma^2} \Big] - \frac{|\theta|^2}{2 s^2} + \log p(\lambda),

    up to a constant, with the residual r at fixed collocation points, conditions that are not built in, and
    measurements (`sj.pinn.Data`). Dirichlet conditions on faces of a box hold exactly, as in `sj.pinn.PINN()`.

    Parameters
    ----------
    problem
        With `Data` conditions and perhaps `unknown` parameters, which have any real value: give the logarithm of a
        positive one.
    network
        As for `sj.pinn.PINN`, or a `PINNSolution` of the problem, whose network and parameters are then the start.
    noise
        $\sigma$: standard deviation of the measurements, times that of `Data(noise=)`.
    residual_scale
        $\sigma_r$: how much the equation may be violated at a point, in its units. It plays the part of a tolerance:
        as it falls the posterior of the parameters tends to that of the exact solutions, and chains need shorter steps.
    condition_scale
        $\sigma_c$, for conditions that are not built in; None takes `residual_scale`.
    prior_scale
        s: standard deviation of the weights.
    unknown_prior
        `unknown_prior(unknown) -> number`, a log density; None is flat.
    power
        $\beta$ in [0, 1]: tempering, from the prior to the posterior (`sj.inference.smc`, or a few short chains with
        rising power to find the bulk).
    num_points, num_boundary
        Collocation points; items of every condition that is not built in.
    key
        PRNG key or seed of the points and of the start.

    Returns
    -------
    LogDensity
        A function of `{"network": ..., "unknown": ...}` with `.start`, `.function(position)`, `.log_likelihood` and
        `.log_prior`. It can be compiled, differentiated and mapped, and passed on as it is.

    Notes
    -----
    A value costs `num_points` residuals. Weights have symmetries, so judge chains by parameters and predictions, not
    weight by weight. The number of collocation points is part of the model: twice as many weigh the equation twice.

    References
    ----------
    Yang, Meng & Karniadakis, B-PINNs: Bayesian physics-informed neural networks for forward and inverse PDE problems
    with noisy data, JCP 425 (2021).
    """
    key_net, key_points, key_items = jax.random.split(as_key(key, "log_density"), 3)
    given = isinstance(network, PINNSolution)
    method = PINN(width=16, depth=2) if network is None else PINN(network=None if given else network)
    system = network.system if given else method.system(problem, key_net)
    template = system.unpack(network.vector) if given else system.template
    weights, unknown = eqx.filter(template, is_trained(template))
    scales = [residual_scale]
    for condition in system.conditions:
        other = residual_scale if condition_scale is None else condition_scale
        scales.append(noise if isinstance(condition, Data) else other)
    return LogDensity(
        system=system,
        start={"network": weights, "unknown": unknown},
        points=problem.domain.interior(key_points, as_count(num_points, "num_points")),
        items=system.draw_items(key_items, as_count(num_boundary, "num_boundary")),
        scales=tuple(scales),
        prior_scale=prior_scale,
        unknown_prior=unknown_prior,
        power=power,
    )
