"""Hand over to ArviZ, its 0.x `InferenceData` and its 1.x `DataTree` alike."""

from typing import Any

import jax
import numpy as np

from .summary import named_leaves


def import_arviz() -> Any:
    """ArviZ, or how to get it."""
    try:
        import arviz
    except ImportError as error:
        msg = "this needs ArviZ; it is not installed. Run: pip install 'sciml_jax[plot]'"
        raise ImportError(msg) from error
    return arviz


def to_arviz(groups: dict[str, dict[str, np.ndarray]]) -> Any:
    """Groups of named arrays (chains, draws, ...) as what the installed ArviZ works with."""
    az = import_arviz()
    groups = {name: group for name, group in groups.items() if group}
    if int(az.__version__.split(".")[0]) >= 1:
        return az.from_dict(groups)
    return az.from_dict(**groups)


def by_name(tree: Any, name: str) -> dict[str, np.ndarray]:
    """Arrays by name: the keys of dicts, or `name`, numbered where there are several."""
    if isinstance(tree, dict):
        return {key.rstrip("."): leaf for key, leaf in named_leaves(tree).items()}
    leaves = jax.tree.leaves(tree)
    if len(leaves) == 1:
        return {name: np.asarray(leaves[0])}
    return {f"{name}_{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)}


def waic(log_likelihood: np.ndarray) -> dict[str, float]:
    r"""Widely applicable information criterion of pointwise log-likelihoods (chains, draws, values).

    elpd = sum over values of log mean likelihood - variance of the log-likelihood; `se` is its standard error.

    References
    ----------
    Watanabe, Asymptotic equivalence of Bayes cross validation and WAIC, JMLR 11 (2010) 3571-3594.
    """
    flat = log_likelihood.reshape(-1, log_likelihood.shape[-1])
    top = flat.max(axis=0)
    fit = top + np.log(np.mean(np.exp(flat - top), axis=0))
    complexity = flat.var(axis=0, ddof=1)
    each = fit - complexity
    return {
        "elpd": float(each.sum()),
        "se": float(np.sqrt(each.size * each.var())),
        "p": float(complexity.sum()),
        "num_values": float(each.size),
    }
