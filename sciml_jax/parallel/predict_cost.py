"""What members will cost: given by the user, or predicted from the step counts of a few."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .members import Members, rebuild

WORTH_SORTING = 0.05
"""Spread of the logarithm of the costs below which all members count as equal."""

EXPLAINED = 0.7
"""A prediction is used when its error, squared, is below this share of the variance."""

NEIGHBOURS = 3
_BLOCK = 65536


def given_cost(cost: Any, members: Members) -> np.ndarray | None:
    """The user's costs as an array (N,), or None."""
    if cost is None:
        return None
    values = _evaluate(cost, members) if callable(cost) else np.asarray(cost)
    if values.shape != (len(members),) or values.dtype.kind not in "biuf":
        msg = (
            f"`cost` must be one real number per member, shape ({len(members)},), or a function of one member that "
            f"returns a scalar; got shape {values.shape}, dtype {values.dtype}. Pass an array, a function or None."
        )
        raise ValueError(msg)
    values = values.astype(np.float64)
    if np.isnan(values).any():
        msg = f"`cost` must not be NaN; got {int(np.isnan(values).sum())} of {len(values)}. Check how it is computed."
        raise ValueError(msg)
    return values


def _evaluate(cost: Any, members: Members) -> np.ndarray:
    if len(members) == 0:
        return np.zeros(0)
    found = jax.jit(jax.vmap(lambda member: jnp.asarray(cost(member))))(rebuild(members.leaves, members.spec))
    return np.asarray(found)


def predict(features: np.ndarray, sample: np.ndarray, measured: np.ndarray) -> np.ndarray | None:
    """Costs of all members from those of a sample, or None when they are alike or the inputs do not explain them.

    Two models of the logarithm of the cost, a ridge regression on the inputs, their ranks and the squares of both, and
    the nearest neighbours in the ranks. The one with the smaller error on left-out members of the sample is used.

    Parameters
    ----------
    features
        Numbers of every member, (N, d).
    sample
        Positions of the measured members, (p,).
    measured
        Their costs, (p,).
    """
    target = np.log(np.maximum(measured.astype(np.float64), 1.0))
    if target.std() < WORTH_SORTING:
        return None
    scaled = np.where(np.isfinite(features), features, 0.0)
    spread = scaled.std(axis=0)
    scaled = (scaled - scaled.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    if scaled.shape[1] == 0:
        return None
    ranks = np.argsort(np.argsort(scaled, axis=0, kind="stable"), axis=0, kind="stable") / len(scaled)
    models = [_ridge(np.hstack([scaled, ranks - 0.5]), sample, target), _neighbours(ranks, sample, target)]
    error, predicted = min(models, key=lambda model: model[0])
    return np.exp(predicted()) if error < EXPLAINED * target.var() else None


def _ridge(columns: np.ndarray, sample: np.ndarray, target: np.ndarray) -> tuple:
    def design(x):
        return np.hstack([np.ones((len(x), 1)), x, x**2])

    a = design(columns[sample])
    penalty = 1e-3 * len(sample) * np.eye(a.shape[1])
    penalty[0, 0] = 1e-9
    inverse = np.linalg.solve(a.T @ a + penalty, a.T)
    weights = inverse @ target
    leverage = np.minimum(np.sum(a * inverse.T, axis=1), 1 - 1e-6)
    left_out = (target - a @ weights) / (1 - leverage)
    return float(np.mean(left_out**2)), lambda: design(columns) @ weights


def _neighbours(ranks: np.ndarray, sample: np.ndarray, target: np.ndarray) -> tuple:
    known = ranks[sample]

    def estimate(x, skip_self):
        distance = ((x[:, None, :] - known[None]) ** 2).sum(axis=2)
        if skip_self:
            np.fill_diagonal(distance, np.inf)
        nearest = np.argpartition(distance, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        weights = 1 / (np.take_along_axis(distance, nearest, axis=1) + 1e-12)
        return (weights * target[nearest]).sum(axis=1) / weights.sum(axis=1)

    def everybody():
        size = max(_BLOCK // ranks.shape[1], 1)
        return np.concatenate([estimate(ranks[i : i + size], False) for i in range(0, len(ranks), size)])

    return float(np.mean((target - estimate(known, True)) ** 2)), everybody
