"""What every method here returns: draws from the posterior, and what says whether to trust them."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..core.callables import as_callable
from ..core.tree import is_concrete
from ..equations.keys import as_key
from . import diagnostics, pictures
from .arviz import by_name, import_arviz, to_arviz, waic
from .posterior import Posterior
from .predictive import over_draws, over_draws_with_keys, sampler_of
from .summary import Summary, summarise


class Draws(eqx.Module):
    """Draws from a posterior.

    Attributes
    ----------
    samples
        The parameters, nested as the priors, leaves (chains, draws, ...).
    positions
        The same on the unconstrained space, (chains, draws, dim).
    stats
        By name, leaves (chains, draws), after ArviZ: `lp` (log density of the position), `acceptance_rate`,
        `diverging`, `energy`, `tree_depth`, `n_steps` (gradients), `failed` (a solve failed during the transition);
        those that the method has.
    info
        What belongs to the whole run: `step_size` (chains,), `inverse_mass`, divergences and failures of the warmup,
        evidences; those that the method has.
    posterior
        What was sampled.
    method
        Its name.
    correlated
        Whether successive draws are correlated (Markov chains); if not, chains are independent draws, and R-hat and
        effective sample sizes only check the drawing.
    """

    samples: PyTree
    positions: Float[Array, "chains draws dim"]
    stats: dict
    info: dict
    posterior: Posterior
    method: str = eqx.field(static=True)
    correlated: bool = eqx.field(static=True)

    def __init__(
        self,
        posterior: Posterior,
        positions: Float[Array, "chains draws dim"],
        *,
        method: str,
        stats: dict | None = None,
        info: dict | None = None,
        samples: PyTree = None,
        correlated: bool = True,
    ):
        if positions.ndim != 3 or positions.shape[2] != posterior.dim:
            msg = (
                f"positions must have the shape (chains, draws, {posterior.dim}); got {positions.shape}. Add the axis "
                "of chains with positions[None]."
            )
            raise ValueError(msg)
        self.posterior, self.positions, self.method, self.correlated = posterior, positions, method, correlated
        self.samples = constrained(posterior, positions) if samples is None else samples
        self.stats, self.info = dict(stats or {}), dict(info or {})

    @property
    def num_chains(self) -> int:
        """Chains."""
        return self.positions.shape[0]

    @property
    def num_draws(self) -> int:
        """Draws of each chain."""
        return self.positions.shape[1]

    def flat(self) -> PyTree:
        """The parameters without the axis of chains, leaves (chains * draws, ...)."""
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), self.samples)

    def thin(self, num: int) -> PyTree:
        """`num` of the parameters, evenly spaced over chains and draws, leaves (num, ...)."""
        total = self.num_chains * self.num_draws
        places = np.linspace(0, total - 1, min(num, total)).round().astype(int)
        return jax.tree.map(lambda leaf: leaf[places], self.flat())

    def mean(self) -> PyTree:
        """Posterior means of the parameters."""
        return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=(0, 1)), self.samples)

    def summary(self) -> Summary:
        """Mean, sd, quantiles, Monte Carlo errors, effective sample sizes and R-hat of every parameter, with warnings.

        `print(draws.summary())` shows the table and, in words, what speaks against the draws; `.rows` and `.warnings`
        hold the same as data. On the host: not inside `jit`.
        """
        self._check_concrete("summary")
        return summarise(self)

    def rhat(self) -> PyTree:
        """Rank-normalised split R-hat of every parameter."""
        return diagnostics.over_parameters(diagnostics.rhat, self.samples)

    def ess(self, kind: str = "bulk") -> PyTree:
        """Effective sample sizes of every parameter; `kind` is "bulk", "tail" or "mean"."""
        measures = {"bulk": diagnostics.ess_bulk, "tail": diagnostics.ess_tail, "mean": diagnostics.ess_mean}
        if kind not in measures:
            msg = f"`kind` must be one of {tuple(measures)}; got {kind!r}."
            raise ValueError(msg)
        return diagnostics.over_parameters(measures[kind], self.samples)

    def mcse(self, of: str = "mean") -> PyTree:
        """Monte Carlo standard errors of the means, or with `of="sd"` of the standard deviations."""
        if of not in ("mean", "sd"):
            msg = f'`of` must be "mean" or "sd"; got {of!r}.'
            raise ValueError(msg)
        return diagnostics.over_parameters(diagnostics.mcse_mean if of == "mean" else diagnostics.mcse_sd, self.samples)

    def bfmi(self) -> np.ndarray:
        """E-BFMI of every chain; of Hamiltonian samplers only."""
        if "energy" not in self.stats:
            msg = f"E-BFMI needs the energies of a Hamiltonian sampler; got draws of {self.method}. Use nuts or hmc."
            raise ValueError(msg)
        return diagnostics.bfmi(np.asarray(self.stats["energy"], float))

    def divergences(self) -> PyTree:
        """The parameters at draws whose transition diverged, leaves (divergences, ...): where the trouble is."""
        marked = np.asarray(self.stats.get("diverging", np.zeros((self.num_chains, self.num_draws)))).astype(bool)
        return jax.tree.map(lambda leaf: np.asarray(leaf)[marked], self.samples)

    def predictive(self, *, key: Any = None, fn: Callable | None = None, num: int | None = None) -> PyTree:
        """New measurements at draws of the parameters (posterior predictive).

        Parameters
        ----------
        key
            Integer seed or PRNG key, for the noise.
        fn
            What to compute of the parameters instead, such as a solution at other times; then `key` is not needed.
        num
            How many of the draws to use, evenly spaced; None: all of them, leaves (chains, draws, ...).

        Returns
        -------
        Leaves (num, ...) or (chains, draws, ...), in the structure of the data or of what `fn` returns.
        """
        flat = self.flat() if num is None else self.thin(num)
        if fn is not None:
            out = over_draws(as_callable(fn, "fn", "params"), flat)
        else:
            out = over_draws_with_keys(sampler_of(self.posterior), flat, as_key(key, "predictive"))
        return out if num is not None else jax.tree.map(self._by_chain, out)

    def log_likelihood(self) -> PyTree:
        """The log-likelihood of every measured value at every draw, leaves (chains, draws, ...)."""
        pointwise = getattr(self.posterior.likelihood, "pointwise", None)
        if pointwise is None:
            msg = (
                "log-likelihoods of single values need a likelihood made by `gaussian` and its like, or a NumPyro "
                "model; got a plain function, which returns their sum."
            )
            raise TypeError(msg)
        return jax.tree.map(self._by_chain, over_draws(pointwise, self.flat()))

    def to_arviz(self, *, key: Any = None) -> Any:
        """The draws for ArviZ: an `InferenceData` (0.x) or a `DataTree` (1.x), whichever is installed.

        Groups: posterior, sample_stats; log_likelihood and observed_data where the likelihood knows single values;
        posterior_predictive with `key`. Values that were not measured are left out of log_likelihood.
        """
        self._check_concrete("to_arviz")
        groups = {
            "posterior": by_name(self.samples, "x"),
            "sample_stats": {name: np.asarray(value) for name, value in self.stats.items() if np.ndim(value) == 2},
        }
        if hasattr(self.posterior.likelihood, "pointwise"):
            groups["log_likelihood"] = by_name(self._measured_log_likelihood(), "y")
            groups["observed_data"] = by_name(self.posterior.likelihood.observed, "y")
            if key is not None:
                groups["posterior_predictive"] = by_name(self.predictive(key=key), "y")
        return to_arviz(groups)

    def loo(self) -> Any:
        """Leave-one-out cross validation of the measured values by Pareto-smoothed importance sampling, ArviZ's."""
        values = {"y": self._all_log_likelihood()}
        return import_arviz().loo(to_arviz({"posterior": by_name(self.samples, "x"), "log_likelihood": values}))

    def waic(self) -> Any:
        """The widely applicable information criterion: ArviZ's, or the same formula where ArviZ has dropped it."""
        az, values = import_arviz(), self._all_log_likelihood()
        if hasattr(az, "waic"):
            return az.waic(to_arviz({"posterior": by_name(self.samples, "x"), "log_likelihood": {"y": values}}))
        return waic(values)

    def plot_trace(self, names: Any = None) -> Any:
        """Histograms and traces of the parameters (of those in `names`); a Matplotlib figure."""
        return pictures.trace(self, names)

    def plot_pair(self, names: Any = None) -> Any:
        """Parameters against each other, divergences marked; a Matplotlib figure."""
        return pictures.pair(self, names)

    def _by_chain(self, leaf: Array) -> Array:
        return leaf.reshape(self.num_chains, self.num_draws, *leaf.shape[1:])

    def _measured_log_likelihood(self) -> PyTree:
        """With the values that were measured only, flat where some were not."""
        found = self.log_likelihood()
        masks = getattr(self.posterior.likelihood, "mask", None)
        if masks is None:
            return found
        keep = lambda leaf, mask: leaf if bool(np.all(mask)) else np.asarray(leaf)[:, :, np.asarray(mask)]
        return jax.tree.map(keep, found, masks)

    def _all_log_likelihood(self) -> np.ndarray:
        leaves = jax.tree.leaves(self._measured_log_likelihood())
        return np.concatenate([np.asarray(x).reshape(self.num_chains, self.num_draws, -1) for x in leaves], axis=2)

    def _check_concrete(self, name: str) -> None:
        if not is_concrete((self.samples, self.stats)):
            msg = f"`{name}` runs on the host; got traced draws. Return the `Draws` from jit or vmap and call it there."
            raise TypeError(msg)


@eqx.filter_jit
def constrained(posterior: Posterior, positions: Float[Array, "chains draws dim"]) -> PyTree:
    """The parameters of positions with two leading axes."""
    return jax.vmap(jax.vmap(posterior.constrain))(positions)
