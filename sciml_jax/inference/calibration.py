"""Simulation-based calibration: whether a sampler recovers what data were simulated from."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..core.callables import as_callable
from ..equations.keys import as_key
from .chain_options import as_size, check_posterior
from .likelihoods import JointLikelihood, Likelihood
from .posterior import Posterior
from .summary import named_leaves


class Calibration(NamedTuple):
    """What `simulation_based_calibration` returns."""

    ranks: dict[str, np.ndarray]
    """By parameter, (simulations, ...): how many of `num_ranks` thinned draws lie below the true value."""
    p_values: dict[str, np.ndarray]
    """By parameter, (...): of a chi-squared test that the ranks are uniform."""
    num_ranks: int
    num_failed: int
    """Simulations left out because data or draws were not finite."""

    def __str__(self) -> str:
        lines = [f"{name}: p = {np.array2string(np.asarray(p), precision=3)}" for name, p in self.p_values.items()]
        smallest = min(float(np.min(p)) for p in self.p_values.values())
        count = sum(np.size(p) for p in self.p_values.values())
        verdict = (
            "Ranks are uniform." if smallest > 0.01 / count else "WARNING: ranks are not uniform (p < 1 %, Bonferroni)."
        )
        left = f" {self.num_failed} simulations failed and were left out." if self.num_failed else ""
        return "\n".join([*lines, verdict + left])


def simulation_based_calibration(
    posterior: Posterior,
    sampler: Callable[[Posterior, Any], Any],
    *,
    num_simulations: int = 200,
    num_ranks: int = 31,
    num_bins: int = 8,
    key: Any,
) -> Calibration:
    r"""Check a sampler on data simulated from the model itself, all simulations in one batch.

    For $\theta_i \sim \pi$, $y_i \sim p(\cdot \mid \theta_i)$, the rank of $\theta_i$ among independent draws of
    $p(\theta \mid y_i)$ is uniform if the sampler, the likelihood and its code are right.

    Parameters
    ----------
    posterior
        Priors and a likelihood made by `gaussian` and its like; its data are replaced by simulated ones.
    sampler
        `(posterior, key) -> Draws`, such as `lambda post, key: nuts(post, num_warmup=300, num_samples=310,
        num_chains=1, key=key)`. It runs under `jax.vmap`.
    num_simulations
        Data sets.
    num_ranks
        Draws that each true value is ranked among, thinned evenly from all draws so that they are nearly independent;
        `num_ranks + 1` must be a multiple of `num_bins`.
    num_bins
        Of the test of uniformity.
    key
        Integer seed or PRNG key.

    Returns
    -------
    A `Calibration`.

    Raises
    ------
    TypeError, ValueError
        For a likelihood that cannot draw data, censored data, and sizes that do not fit.

    Notes
    -----
    Memory: all simulations at once. Under `vmap` NUTS waits for the longest path of any data set.

    References
    ----------
    Talts, Betancourt, Simpson, Vehtari & Gelman, Validating Bayesian inference algorithms with simulation-based
    calibration, arXiv:1804.06788.
    """
    check_posterior(posterior)
    sampler = as_callable(sampler, "sampler", "posterior", "key")
    num_simulations, num_bins = as_size(num_simulations, "num_simulations", 10), as_size(num_bins, "num_bins", 2)
    if (as_size(num_ranks, "num_ranks", 1) + 1) % num_bins:
        msg = f"`num_ranks` + 1 must be a multiple of `num_bins`; got {num_ranks} and {num_bins}. Pass 31 and 8."
        raise ValueError(msg)
    _check_simulates(posterior.likelihood)
    keys = jax.random.split(as_key(key, "simulation_based_calibration"), num_simulations)
    ranks, good = _ranks(posterior, sampler, keys, num_ranks)
    good = np.asarray(good)
    found = {name: leaf[good] for name, leaf in named_leaves(jax.device_get(ranks)).items()}
    tested = {name: _uniformity(leaf, num_ranks, num_bins) for name, leaf in found.items()}
    return Calibration(found, tested, num_ranks, int(np.sum(~good)))


@eqx.filter_jit
def _ranks(post: Posterior, sampler: Callable, keys: Any, num_ranks: int) -> tuple[PyTree, Any]:
    def one(key):
        first, second, third = jax.random.split(key, 3)
        truth = post.sample_prior(first)
        data = post.likelihood.sample(second, truth)
        good = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(data)]))
        safe = jax.tree.map(lambda leaf: jnp.where(jnp.isfinite(leaf), leaf, 1), data)
        simulated = eqx.tree_at(lambda p: p.likelihood, post, with_data(post.likelihood, safe))
        draws = sampler(simulated, third).thin(num_ranks)
        finite = jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(draws)])
        return jax.tree.map(lambda leaf, true: jnp.sum(leaf < true, axis=0), draws, truth), good & jnp.all(finite)

    return jax.vmap(one)(keys)


def with_data(likelihood: Any, data: PyTree) -> Any:
    """The likelihood of other measurements of the same shapes."""
    if isinstance(likelihood, JointLikelihood):
        return JointLikelihood(tuple(with_data(part, some) for part, some in zip(likelihood.parts, data, strict=True)))
    return eqx.tree_at(lambda held: held.data.ys, likelihood, data)


def _check_simulates(likelihood: Any) -> None:
    parts = likelihood.parts if isinstance(likelihood, JointLikelihood) else (likelihood,)
    for part in parts:
        if not isinstance(part, Likelihood):
            msg = (
                "calibration simulates data, and needs a likelihood made by `gaussian` and its like; got "
                f"{type(part).__name__}. Write it with one of those."
            )
            raise TypeError(msg)
        if part.data.left is not None or part.data.right is not None:
            msg = "calibration simulates uncensored data; got a likelihood with censoring. Leave the censoring out."
            raise ValueError(msg)


def _uniformity(ranks: np.ndarray, num_ranks: int, num_bins: int) -> np.ndarray:
    from scipy.stats import chisquare

    flat = ranks.reshape(len(ranks), -1)
    width = (num_ranks + 1) // num_bins
    counts = [np.bincount(column // width, minlength=num_bins) for column in flat.T]
    return np.array([chisquare(count).pvalue for count in counts]).reshape(ranks.shape[1:])
