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
    order = np.argsort(ranks[sample, 0], kind="stable")
    known, values = ranks[sample][order], target[order]

    def everybody():
        size = max(_BLOCK // ranks.shape[1], 1)
        blocks = (ranks[i : i + size] for i in range(0, len(ranks), size))
        return np.concatenate([_interpolate(*_near(block, known), values) for block in blocks])

    distance, position = _far_and_near(known, known)
    np.fill_diagonal(distance, np.inf)  # a left-out member does not predict itself
    return float(np.mean((values - _interpolate(distance, position, values)) ** 2)), everybody


def _near(x: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances to the known members that can be among the nearest, and their positions.

    One feature is searched in its order: the devices wait for the prediction, so its time is lost on all of them.
    """
    if x.shape[1] > 1 or len(known) <= 2 * NEIGHBOURS:
        return _far_and_near(x, known)
    after = np.searchsorted(known[:, 0], x[:, 0])
    first = np.clip(after - NEIGHBOURS, 0, len(known) - 2 * NEIGHBOURS)
    position = first[:, None] + np.arange(2 * NEIGHBOURS)
    return (known[position, 0] - x) ** 2, position


def _far_and_near(x: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances to all known members, and their positions."""
    distance = np.zeros((len(x), len(known)))
    for of_x, of_known in zip(x.T, known.T, strict=True):
        distance += np.subtract.outer(of_x, of_known) ** 2
    return distance, np.broadcast_to(np.arange(len(known)), distance.shape)


def _interpolate(distance: np.ndarray, position: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean of the values of the nearest, weighted by the inverse squared distance. Overwrites `distance`."""
    rows = np.arange(len(distance))
    total, weights = np.zeros(len(distance)), np.zeros(len(distance))
    for _ in range(min(NEIGHBOURS, distance.shape[1] - 1)):  # a minimum at a time is faster than a partition of a row
        nearest = distance.argmin(axis=1)
        weight = 1 / (distance[rows, nearest] + 1e-12)
        total += weight * values[position[rows, nearest]]
        weights += weight
        distance[rows, nearest] = np.inf
    return total / weights
