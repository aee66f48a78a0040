"""Monte Carlo on random programs: what random parameters make of a model."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from ..core.callables import as_callable
from ..equations.keys import as_key
from ..parallel import ensemble, quantiles, variance
from ..parallel import mean as mean_of
from ..parallel.result import Failure
from ..training.checks import as_count
from .draws import Draws
from .posterior import Posterior
from .priors import NamedPriors


class MonteCarloResult(eqx.Module):
    """What `monte_carlo` returns; everything over the members that did not fail.

    Attributes
    ----------
    mean, variance
        Expectation and variance of the outputs, structured as one output.
    error
        Standard error of the mean, the square root of the variance over the number of members.
    quantiles
        Leaves (len(levels), ...): the bands.
    levels
        Of the quantiles.
    values
        Every member's outputs, leaves (num_samples, ...), with `keep=True`; None otherwise.
    failures
        Members that failed, each with a status: `index` and `status`.
    num_samples
        Members.
    """

    mean: PyTree
    variance: PyTree
    error: PyTree
    quantiles: PyTree
    levels: tuple[float, ...]
    values: PyTree
    failures: tuple[Failure, ...]
    num_samples: int

    def probability(self, event: Callable[[PyTree], Any]) -> tuple[float, float]:
        """The probability that `event(outputs)` is true, and its standard error; needs `keep=True`."""
        if self.values is None:
            msg = "a probability needs the members' outputs, which were not kept. Pass keep=True to monte_carlo."
            raise ValueError(msg)
        fine = np.setdiff1d(np.arange(self.num_samples), [failure.index for failure in self.failures])
        kept = jax.tree.map(lambda leaf: leaf[fine], self.values)
        share = float(np.mean(np.asarray(jax.vmap(event)(kept))))
        return share, math.sqrt(share * (1.0 - share) / max(len(fine), 1))


def monte_carlo(
    model: Callable,
    params: Mapping[str, Any] | Posterior | Draws | Callable,
    *,
    num_samples: int = 1000,
    key: Any,
    levels: Sequence[float] = (0.05, 0.5, 0.95),
    pass_key: bool = False,
    keep: bool = False,
    **options: Any,
) -> MonteCarloResult:
    r"""Expectation, variance and quantile bands of a model's outputs under random parameters.

    .. math:: \mathrm{E}[f(\theta)] \approx \frac1N \sum_{i=1}^N f(\theta_i), \qquad \theta_i \sim \pi .

    Parameters
    ----------
    model
        `model(params) -> outputs`, a pytree of arrays, a `Solution` included; traceable by JAX.
    params
        Where the parameters come from: NumPyro distributions by name (nested, and functions of each other, as for
        `posterior`), a `Posterior` (its priors), `Draws` (of which `num_samples` are picked at random), or a
        function `key -> params`.
    num_samples
        Members N.
    key
        Integer seed or PRNG key. Member i depends on it and on i only.
    levels
        Of the quantiles, between 0 and 1.
    pass_key
        Whether the model is random itself: `model(params, key)`.
    keep
        Whether to keep every member's outputs.
    options
        Of `parallel.ensemble`: `devices`, `mesh`, `chunk_size`, `cost`, `progress`, `checkpoint`.

    Returns
    -------
    A `MonteCarloResult`. Members that fail (a solve's status; outputs with NaN) are left out of the statistics and
    listed.

    Raises
    ------
    TypeError, ValueError
        For priors, levels, counts and options that cannot work.

    Notes
    -----
    The error falls as $N^{-1/2}$ whatever the number of parameters. Members are spread over all devices and
    processes, and summarised chunk by chunk without `keep`: memory does not grow with N. Quantiles are exact for fewer
    than 2048 members and have a rank error below 0.5 % beyond. Not inside `jit`. For smooth outputs of a few
    parameters, quadrature or polynomial chaos needs far fewer evaluations.

    References
    ----------
    Owen, Monte Carlo theory, methods and examples (2013), chapter 2.
    """
    num_samples = as_count(num_samples, "num_samples")
    key = as_key(key, "monte_carlo")
    levels = tuple(float(level) for level in np.atleast_1d(np.asarray(levels, float)))
    names = ("params", "key") if pass_key else ("params",)
    member = _member(as_callable(model, "model", *names), _source(params), pass_key)
    keys = jax.random.split(key, num_samples)
    rules = {"mean": mean_of(), "variance": variance(ddof=1), "quantiles": quantiles(levels)}
    found = ensemble(member, keys, reduce=None if keep else rules, **options)
    kept = found.values if keep else None
    reduced = found.reduced if not keep else _summary(found, levels)
    count = max(num_samples - len(found.failures), 1)
    return MonteCarloResult(
        mean=reduced["mean"],
        variance=reduced["variance"],
        error=jax.tree.map(lambda leaf: np.sqrt(leaf / count), reduced["variance"]),
        quantiles=reduced["quantiles"],
        levels=levels,
        values=kept,
        failures=found.failures,
        num_samples=num_samples,
    )


class _Member(eqx.Module):
    """One member: its key to its outputs."""

    model: Callable
    source: Callable
    pass_key: bool = eqx.field(static=True)

    def __call__(self, key: Any) -> PyTree:
        """Draw parameters and evaluate the model."""
        key_params, key_model = jax.random.split(key)
        params = self.source(key_params)
        return self.model(params, key_model) if self.pass_key else self.model(params)


def _member(model: Callable, source: Callable, pass_key: bool) -> _Member:
    return _Member(model, source, pass_key)


class _Sampled(eqx.Module):
    """Parameters from priors."""

    prior: Any

    def __call__(self, key: Any) -> PyTree:
        """A draw."""
        return self.prior.sample(key)


class _Picked(eqx.Module):
    """Parameters from draws."""

    rows: PyTree

    def __call__(self, key: Any) -> PyTree:
        """One of them."""
        row = jax.random.randint(key, (), 0, len(jax.tree.leaves(self.rows)[0]))
        return jax.tree.map(lambda leaf: leaf[row], self.rows)


def _source(params: Any) -> Callable:
    """A function from a key to parameters."""
    if isinstance(params, Posterior):
        return _Sampled(params.prior)
    if isinstance(params, Draws):
        return _Picked(params.flat())
    if isinstance(params, Mapping):
        return _Sampled(NamedPriors(params))
    if callable(params):
        return as_callable(params, "params", "key")
    msg = (
        "`params` must be NumPyro distributions by name, a Posterior, Draws, or a function of a key; got "
        f"{type(params).__name__}. Write dict(theta=dist.Normal(0.0, 1.0))."
    )
    raise TypeError(msg)


def _summary(found: Any, levels: tuple[float, ...]) -> dict:
    """Statistics of outputs that were kept."""
    fine = np.setdiff1d(np.arange(found.num_members), [failure.index for failure in found.failures])

    def over(statistic):
        return jax.tree.map(lambda leaf: statistic(np.asarray(leaf)[fine]), found.values)

    return {
        "mean": over(lambda x: x.mean(axis=0)),
        "variance": over(lambda x: x.var(axis=0, ddof=1) if len(x) > 1 else np.full(x.shape[1:], np.nan)),
        "quantiles": over(lambda x: np.quantile(x, levels, axis=0)),
    }
