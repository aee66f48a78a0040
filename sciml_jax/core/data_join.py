"""Several experiments in one `Data`."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from .data import Data


def join_experiments(experiments: Sequence[Data]) -> Data:
    """One `Data` of several experiments, each with its own number of times: what is short is filled up and masked.

    Parameters
    ----------
    experiments
        At least one `Data`, alike in what was observed, in the number of series and in what is given.

    Raises
    ------
    TypeError, ValueError
        Where they are not alike.
    """
    if not experiments or not all(isinstance(data, Data) for data in experiments):
        msg = (
            f"`join_experiments` takes a sequence of at least one `Data`; got {experiments!r}. Pass "
            "`[Data(...), Data(...)]`."
        )
        raise TypeError(msg)
    first = experiments[0]
    for name in ("components", "observe", "has_times"):
        if any(getattr(data, name) != getattr(first, name) for data in experiments):
            msg = f"experiments must have the same `{name}`; got different ones. Mask series that were not measured."
            raise ValueError(msg)
    series = {data.ys.shape[2] for data in experiments}
    if len(series) > 1:
        msg = f"experiments must have the same number of series; got {sorted(series)}. Mask those not measured."
        raise ValueError(msg)
    length = max(data.ys.shape[1] for data in experiments)
    padded = [_padded(data, length) for data in experiments]
    ts, ys, mask, noise = (jnp.concatenate([parts[i] for parts in padded]) for i in range(4))
    known = {_same_kind(data.noise is None, first.noise is None, "noise") for data in experiments}
    return Data(
        ts if first.has_times else None,
        ys,
        observed=first.components if first.observe is None else first.observe,
        mask=mask,
        noise=None if True in known else noise,
        y0=_stacked([data.y0 for data in experiments], "y0"),
        inputs=_stacked([data.inputs for data in experiments], "inputs"),
        unknown_y0=first.unknown_y0,
    )


def _same_kind(found: bool, expected: bool, name: str) -> bool:
    if found != expected:
        msg = f"`{name}` must be given for all experiments or for none; got it for some."
        raise ValueError(msg)
    return found


def _padded(data: Data, length: int) -> tuple:
    """Repeat the last time; what is added is not measured."""
    missing = length - data.ys.shape[1]
    edge = lambda leaf: jnp.pad(leaf, ((0, 0), (0, missing), *((0, 0),) * (leaf.ndim - 2)), mode="edge")
    mask = jnp.pad(data.mask, ((0, 0), (0, missing), (0, 0)))
    return edge(data.ts), edge(data.ys), mask, edge(data.scale)


def _stacked(trees: list, name: str) -> Any:
    for tree in trees:
        _same_kind(tree is None, trees[0] is None, name)
    return None if trees[0] is None else jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *trees)
