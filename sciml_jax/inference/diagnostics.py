"""Convergence diagnostics of Markov chains, on the host, for arrays (chains, draws)."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float, PyTree
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtri

Series = Float[np.ndarray, "chains draws"]


def rhat(x: Series) -> float:
    r"""Rank-normalised split R-hat: between-chain against within-chain variation of halves of chains.

    The larger of that of the ranks and that of the ranks of the distances from the median, so that chains that differ
    in spread are seen too. NaN for fewer than 4 draws and for constant ones. Trust draws below 1.01.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter & Buerkner, Rank-normalization, folding, and localization: an improved R-hat,
    Bayesian Analysis 16 (2021) 667-718.
    """
    if not _usable(x):
        return float("nan")
    halves = _split(x)
    folded = np.abs(halves - np.median(halves))
    return max(_plain_rhat(_rank_normal(halves)), _plain_rhat(_rank_normal(folded)))


def ess_bulk(x: Series) -> float:
    """Effective sample size for the middle of the distribution: that of the normalised ranks of split chains."""
    return _ess(_rank_normal(_split(x))) if _usable(x) else _constant_ess(x)


def ess_tail(x: Series) -> float:
    """Effective sample size for the tails: the lower of those of the 5 % and 95 % quantiles."""
    if not _usable(x):
        return _constant_ess(x)
    return min(_ess(_split((x <= np.quantile(x, q)).astype(float))) for q in (0.05, 0.95))


def ess_mean(x: Series) -> float:
    """Effective sample size for the mean: that of split chains as they are."""
    return _ess(_split(x)) if _usable(x) else _constant_ess(x)


def mcse_mean(x: Series) -> float:
    """Monte Carlo standard error of the mean: sd / sqrt(effective sample size)."""
    return float(np.std(x, ddof=1) / np.sqrt(ess_mean(x)))


def mcse_sd(x: Series) -> float:
    """Monte Carlo standard error of the standard deviation, by the delta method from the squared distances."""
    away = (x - x.mean()) ** 2
    variance = away.mean()
    error = away.var() / ess_mean(away)
    return float(np.sqrt(error / variance / 4)) if variance > 0 else float("nan")


def bfmi(energy: Series) -> Float[np.ndarray, " chains"]:
    """E-BFMI of every chain: how well momenta explore the energies. Below 0.3 tails are hardly reached.

    References
    ----------
    Betancourt, Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte Carlo, arXiv:1604.00695.
    """
    spread = np.var(energy, axis=1, ddof=1)
    steps = np.mean(np.diff(energy, axis=1) ** 2, axis=1)
    return np.where(spread > 0, steps / np.where(spread > 0, spread, 1), np.nan)


def over_parameters(measure: Any, samples: PyTree) -> PyTree:
    """A measure of every scalar among samples with leaves (chains, draws, ...): leaves (...)."""

    def one(leaf):
        leaf = np.asarray(leaf, float)
        flat = leaf.reshape(*leaf.shape[:2], -1)
        return np.array([measure(flat[:, :, i]) for i in range(flat.shape[2])]).reshape(leaf.shape[2:])

    return jax.tree.map(one, samples)


def _usable(x: Series) -> bool:
    return x.shape[1] >= 4 and bool(np.all(np.isfinite(x))) and float(np.ptp(x)) > 0


def _constant_ess(x: Series) -> float:
    return float(x.size) if x.shape[1] >= 4 and np.all(np.isfinite(x)) else float("nan")


def _split(x: Series) -> Series:
    half = x.shape[1] // 2
    return np.concatenate([x[:, :half], x[:, -half:]], axis=0)


def _rank_normal(x: Series) -> Series:
    from scipy.stats import rankdata  # imports scipy.integrate: not at `import sciml_jax`

    ranks = rankdata(x, method="average").reshape(x.shape)
    return ndtri((ranks - 0.375) / (x.size + 0.25))


def _plain_rhat(x: Series) -> float:
    draws = x.shape[1]
    within = np.mean(np.var(x, axis=1, ddof=1))
    if within == 0:
        return float("nan")
    between = np.var(np.mean(x, axis=1), ddof=1)
    return float(np.sqrt((draws - 1) / draws + between / within))


def _ess(x: Series) -> float:
    """Geyer's initial monotone sequence over all chains."""
    chains, draws = x.shape
    if np.ptp(x) == 0:
        return float(x.size)
    covariance = _autocovariance(x)
    means = np.mean(x, axis=1)
    within = np.mean(covariance[:, 0]) * draws / (draws - 1)
    total = within * (draws - 1) / draws + (np.var(means, ddof=1) if chains > 1 else 0.0)
    rho = 1 - (within - np.mean(covariance, axis=0)) / total
    rho[0] = 1.0
    pairs = rho[: draws // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    used = int(negative[0]) if negative.size else len(pairs)
    kept = np.minimum.accumulate(pairs[: max(used, 1)])
    tau = -1 + 2 * kept.sum()
    if used < len(pairs):
        # The first term after the positive pairs still counts where it is positive: it improves antithetic chains.
        tau += max(rho[2 * used], 0.0)
    return float(x.size / max(tau, 1 / np.log10(x.size)))


def _autocovariance(x: Series) -> np.ndarray:
    draws = x.shape[1]
    size = next_fast_len(2 * draws)
    spectrum = rfft(x - x.mean(axis=1, keepdims=True), n=size, axis=1)
    return np.asarray(irfft(np.abs(spectrum) ** 2, n=size, axis=1))[:, :draws] / draws
