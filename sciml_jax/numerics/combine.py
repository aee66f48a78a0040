"""Linear combinations of states held as tuples of arrays, written out term by term so that XLA can fuse them."""

from collections.abc import Sequence
from typing import Any


def linear_combination(base: tuple | None, scale: Any, weights: Sequence[Any], terms: Sequence[tuple]) -> tuple:
    """`base + scale * sum_i weights[i] * terms[i]`, leaf by leaf; zero weights cost nothing.

    `base=None` means zero and `scale=None` one; weights are Python floats or traced real scalars.
    """
    pairs = zip(weights, terms, strict=False)
    chosen = [(weight, term) for weight, term in pairs if not (isinstance(weight, (int, float)) and weight == 0.0)]
    num_leaves = len(terms[0])
    if not chosen:
        return base if base is not None else tuple(0.0 * leaf for leaf in terms[0])
    leaves = []
    for i in range(num_leaves):
        total = _times(*chosen[0], i)
        for weight, term in chosen[1:]:
            total = total + _times(weight, term, i)
        # A real scale in a wider dtype than the state must not promote the state.
        step = _as_scale(scale, total) * total if scale is not None else total
        leaves.append(step if base is None else base[i] + step)
    return tuple(leaves)


def _times(weight: float, term: tuple, i: int) -> Any:
    if isinstance(weight, (int, float)):
        return term[i] if weight == 1.0 else weight * term[i]
    return _as_scale(weight, term[i]) * term[i]


def _as_scale(scale: Any, like: Any) -> Any:
    if not hasattr(scale, "astype") or scale.dtype == like.dtype:
        return scale
    # float64 time with a float32 or complex64 state: the real dtype of the state.
    return scale.astype(like.real.dtype)
