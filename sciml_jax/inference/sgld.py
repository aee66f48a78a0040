"""Stochastic gradient Langevin dynamics: a likelihood that is a sum over many data, a few at a time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, PyTree

from ..core.callables import as_callable
from ..core.tree import describe, is_concrete
from ..equations.keys import as_key
from ..training.checks import as_count
from .ascent import ascend
from .compiled import compiled
from .draws import Draws
from .inference_status import InferenceStatus
from .map_estimate import minus_hessian
from .posterior import Posterior
from .starting_points import check_positive, check_posterior, starting_points

LOOKED_AT = 64
"""Draws of which the share with a failed likelihood is reported."""


def sgld(
    posterior: Posterior,
    *,
    key: Any,
    data: PyTree = None,
    log_likelihood: Callable | None = None,
    batch_size: int = 32,
    step_size: float = 0.05,
    num_warmup: int = 1000,
    num_samples: int = 4000,
    num_chains: int = 4,
    control_variates: bool = True,
    init: Any = None,
) -> Draws:
    r"""Draw from a posterior by Langevin dynamics with gradients from minibatches, BlackJAX's, without rejections.

    With $w = L^T(u - \hat u)$, where $\hat u$ is the mode and $L L^T$ the Hessian there, so that the posterior's
    deviations are about one,

    .. math:: w_{k+1} = w_k + h\, \hat g(w_k) + \sqrt{2h}\, \xi_k, \qquad \hat g \approx \nabla \log p(w \mid y),

    where $\hat g$ sums over `batch_size` of the data, scaled up; with `control_variates` only the difference from the
    gradient at the mode is estimated so, which takes out most of the noise.

    Parameters
    ----------
    posterior
        A `Posterior` whose likelihood is that of all data.
    key
        Integer seed or PRNG key.
    data
        Pytree of arrays with a leading axis of N. None: full gradients of the posterior.
    log_likelihood
        `log_likelihood(params, datum)`, one datum's share, shape (); their sum over the data must be the posterior's
        likelihood, up to a constant.
    batch_size
        Data per step, drawn with replacement.
    step_size
        h; smaller is less biased and slower.
    num_warmup, num_samples
        Steps of every chain; those of the warmup are dropped.
    num_chains
        Chains, side by side.
    control_variates
        Whether to use them.
    init
        Where the search for the mode starts, instead of at likely draws from the priors: parameters or a position.

    Returns
    -------
    `Draws`. `info`: `mode`, `hessian`, `failed` (the share of some of the draws whose likelihood cannot be evaluated)
    and `status`, an `InferenceStatus` code; draws are NaN where the Hessian is not positive definite. There is no `lp`:
    that would take all data.

    Raises
    ------
    TypeError, ValueError
        For what is no posterior, data without a common leading axis or without `log_likelihood`, shares that do not sum
        to the posterior's likelihood, counts and steps that are not positive.

    Notes
    -----
    For data so many that a full gradient per draw is too much; the search for the mode takes some, once. Not exact: for
    a Gaussian posterior and full gradients, variances are $1/(1 - h/2)$ too large, and the gradient's noise adds to
    that, most without control variates. Not for small data (`nuts` is exact), nor for likelihoods that fail in
    places.

    References
    ----------
    Welling & Teh, Bayesian learning via stochastic gradient Langevin dynamics, ICML (2011).
    Baker, Fearnhead, Fox & Nemeth, Control variates for stochastic gradient MCMC, Statistics and Computing 29 (2019).
    """
    check_posterior(posterior, "sgld")
    key = as_key(key, "sgld")
    check_positive(step_size, "step_size", below=2.0)
    counts = {"num_warmup": num_warmup, "num_samples": num_samples, "num_chains": num_chains, "batch_size": batch_size}
    sizes = tuple(as_count(value, name) for name, value in counts.items())
    share = _checked_share(data, log_likelihood)
    key_start, key_run = jax.random.split(key)
    start = starting_points(posterior, key_start, 4, init)
    mode, hessian, status = _mode(posterior, start)
    if share is not None and is_concrete((posterior, mode, data)):
        _check_sum(posterior, mode, share, data)
    positions = _run(posterior, mode, hessian, key_run, share, data, sizes, step_size, control_variates)
    ended = jnp.all(jnp.isfinite(positions)) | (status != int(InferenceStatus.CONVERGED))
    status = jnp.where(ended, status, int(InferenceStatus.NON_FINITE)).astype(jnp.int32)
    info = {"mode": mode, "hessian": hessian, "status": status, "failed": _share_failed(posterior, positions)}
    return Draws(posterior, positions, method="sgld", info=info)


@compiled
def _share_failed(posterior: Posterior, positions: Array) -> Array:
    """Among up to `LOOKED_AT` draws: all would take all data for each."""
    flat = positions.reshape(-1, positions.shape[-1])
    some = flat[:: -(-len(flat) // LOOKED_AT)]
    return jnp.mean(jnp.all(jnp.isfinite(some), axis=1) & jax.vmap(posterior.failed)(some))


@compiled
def _mode(posterior, starts):
    found = jax.vmap(lambda u: ascend(posterior.log_density, u, max_steps=500, rtol=1e-14, gtol=1e-8))(starts)
    best = jnp.argmax(jnp.where(jnp.isnan(found.log_density), -jnp.inf, found.log_density))
    mode, status = found.position[best], found.status[best]
    hessian = minus_hessian(posterior, mode, True)
    definite = jnp.all(jnp.isfinite(jnp.linalg.cholesky(hessian)))
    return mode, hessian, jnp.where(definite, status, int(InferenceStatus.NOT_A_MAXIMUM))


@compiled
def _run(posterior, mode, hessian, key, share, data, sizes, step_size, control_variates):
    from blackjax.sgmcmc import gradients, sgld

    num_warmup, num_samples, num_chains, batch_size = sizes
    # u = mode + B w with B B^T the inverse Hessian.
    basis = jax.scipy.linalg.solve_triangular(jnp.linalg.cholesky(hessian), jnp.eye(mode.size), lower=True).T

    def position(white):
        return mode + basis @ white

    if share is None:
        num_data = 1

        def estimate(white, batch):
            del batch
            return jax.grad(lambda w: posterior.log_density(position(w)))(white)
    else:
        num_data = len(jax.tree.leaves(data)[0])
        estimate = gradients.grad_estimator(
            lambda w: posterior.log_prior_density(position(w)),
            lambda w, datum: share(posterior.constrain(position(w)), datum),
            num_data,
        )
        if control_variates:
            estimate = gradients.control_variates(estimate, jnp.zeros_like(mode), data)
    kernel = sgld.build_kernel()

    def chain(key):
        def step(white, key):
            key_batch, key_noise = jax.random.split(key)
            rows = jax.random.randint(key_batch, (batch_size,), 0, num_data)
            batch = None if share is None else jax.tree.map(lambda leaf: leaf[rows], data)
            white = kernel(key_noise, white, estimate, batch, step_size)
            return white, white

        key_first, key_steps = jax.random.split(key)
        first = jax.random.normal(key_first, mode.shape, mode.dtype)
        _, found = lax.scan(step, first, jax.random.split(key_steps, num_warmup + num_samples))
        return jax.vmap(position)(found[num_warmup:])

    return jax.vmap(chain)(jax.random.split(key, num_chains))


def _checked_share(data: PyTree, log_likelihood: Callable | None) -> Callable | None:
    """The likelihood of a datum, where there are data to go with it."""
    if (data is None) != (log_likelihood is None):
        given, missing = ("data", "log_likelihood") if log_likelihood is None else ("log_likelihood", "data")
        msg = f"`data` and `log_likelihood` belong together; got `{given}` without `{missing}`. Pass both, or none."
        raise ValueError(msg)
    if data is None:
        return None
    lengths = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(data)}
    if len(lengths) != 1 or () in lengths or (0,) in lengths:
        msg = f"`data` must hold arrays with one common leading axis, the data; got {describe(data)}. Stack them."
        raise ValueError(msg)
    return as_callable(log_likelihood, "log_likelihood", "params", "datum")


@compiled
def _slopes(posterior: Posterior, mode: Array, share: Callable, data: PyTree) -> tuple[Array, Array]:
    def total(u):
        return jnp.sum(jax.vmap(lambda datum: share(posterior.constrain(u), datum))(data))

    return jax.grad(total)(mode), jax.grad(posterior.log_likelihood_at)(mode)


def _check_sum(posterior: Posterior, mode: Array, share: Callable, data: PyTree) -> None:
    """Refuse shares whose sum has another gradient than the posterior's likelihood."""
    # Away from the mode, where a gradient that cancels the prior's could be small.
    ours, theirs = _slopes(posterior, mode + 0.1, share, data)
    scale = jnp.max(jnp.abs(theirs)) + jnp.max(jnp.abs(ours))
    if not bool(jnp.max(jnp.abs(ours - theirs)) <= 1e-2 * scale):
        msg = (
            "`log_likelihood(params, datum)` summed over `data` must be the posterior's likelihood up to a constant; "
            f"their gradients near the mode are {ours} and {theirs}. Use the same data and noise in both."
        )
        raise ValueError(msg)
