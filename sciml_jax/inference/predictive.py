"""What a posterior, or a prior, says about measurements."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

from ..core.callables import as_callable
from ..equations.keys import as_key
from .posterior import Posterior

LANES = 128
"""Parameter sets that are evaluated at a time."""


@eqx.filter_jit
def over_draws(fn: Callable, flat: PyTree) -> PyTree:
    """`fn` of every parameter set, leading axis in front, in batches."""
    return jax.lax.map(fn, flat, batch_size=LANES)


@eqx.filter_jit
def over_draws_with_keys(fn: Callable, flat: PyTree, key: Any) -> PyTree:
    """`fn(key, params)` of every parameter set, each with a key of its own."""
    count = jax.tree.leaves(flat)[0].shape[0]
    return jax.lax.map(lambda pair: fn(*pair), (jax.random.split(key, count), flat), batch_size=LANES)


def sampler_of(post: Posterior) -> Callable:
    """How the likelihood draws new measurements."""
    draw = getattr(post.likelihood, "sample", None)
    if draw is None:
        msg = (
            "measurements can be drawn from a likelihood made by `gaussian` and its like, or of a NumPyro model; got a "
            f"plain function ({type(post.likelihood).__name__}). Pass `fn=`, a function of the parameters."
        )
        raise TypeError(msg)
    return draw


def prior_predictive(posterior: Posterior, *, num: int = 1000, key: Any, fn: Callable | None = None) -> tuple:
    """Measurements that the priors expect, before any was made.

    Parameters
    ----------
    posterior
        Priors and likelihood.
    num
        Draws from the priors.
    key
        Integer seed or PRNG key.
    fn
        What to compute of the parameters; None draws measurements from the likelihood's noise.

    Returns
    -------
    The parameters, leaves (num, ...), and the measurements (or the values of `fn`), leaves (num, ...); NaN where the
    prediction failed.

    Raises
    ------
    TypeError
        For a likelihood that is a plain function, without `fn`.
    """
    first, second = jax.random.split(as_key(key, "prior_predictive"))
    params = jax.vmap(posterior.sample_prior)(jax.random.split(first, num))
    if fn is not None:
        return params, over_draws(as_callable(fn, "fn", "params"), params)
    return params, over_draws_with_keys(sampler_of(posterior), params, second)
