"""All equations of a law at once: the regression of every column, alone or as an ensemble of bootstrap samples."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..core.checks import check_positive
from .law_status import LawStatus
from .sparse_regression import AbstractSparseRegression, Reduced, Regression


class SparseFit(NamedTuple):
    """Coefficients and errors (equations, K), r2 (equations,), inclusion, members and code, as a `Law` holds them."""

    coefficients: Any
    standard_errors: Any
    r2: Any
    inclusion: Any
    members: Any
    code: Any


class Bagging(eqx.Module):
    """An ensemble of laws, each from rows drawn with replacement, which says how certain each term is.

    The law keeps the terms that at least `inclusion` of the members hold, and fits them to all rows; its standard
    errors are the spread of the members that hold the term.

    Parameters
    ----------
    size
        Members, at least 2.
    inclusion
        Part of the members that must hold a term, in (0, 1].
    block
        Consecutive rows drawn together, at least 1: as many as are dependent, since rows that share noise (overlapping
        windows of the weak form, neighbours of a smoother) make single draws look too certain. None: as the form of
        the law says.

    References
    ----------
    Fasel, Kutz, Brunton & Brunton, Ensemble-SINDy: robust sparse model discovery in the low-data, high-noise limit,
    with active learning and control, Proc. R. Soc. A 478 (2022) 20210904.
    """

    size: int = eqx.field(static=True)
    inclusion: Any
    block: int | None = eqx.field(static=True)

    def __init__(self, size: int = 100, *, inclusion: ArrayLike = 0.6, block: int | None = None):
        for value, name, lowest in ((size, "size", 2), (1 if block is None else block, "block", 1)):
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                msg = f"`{name}` must be an integer of at least {lowest}; got {value!r}. Pass, say, `Bagging(100)`."
                raise ValueError(msg)
        check_positive(inclusion, "inclusion")
        self.size, self.inclusion, self.block = size, inclusion, block

    def draw(self, key: Any, rows: int, independent: Any) -> Any:
        """Row numbers of every member, shape (size, rows)."""
        block = self.block or max(1, min(rows // 4, int(round(rows / independent))))
        count = -(-rows // block)
        starts = jax.random.randint(key, (self.size, count), 0, rows - block + 1)
        return (starts[:, :, None] + jnp.arange(block)).reshape(self.size, -1)[:, :rows]


def fit_equations(
    theta: Float[Array, "rows K"],
    targets: Float[Array, "rows equations"],
    independent: float,
    optimizer: AbstractSparseRegression,
    ensemble: Bagging | None,
    key: Any,
) -> SparseFit:
    """The sparse coefficients of every column of `targets`."""
    reduced = _reduce(theta, targets, jnp.asarray(independent, theta.dtype))
    if ensemble is None:
        return _as_fit(theta, targets, _select(optimizer, reduced), None, None)
    draws = ensemble.draw(key, theta.shape[0], independent)
    members = _members(optimizer, theta, targets, independent, draws)
    kept, share, spread = _vote(members, ensemble.inclusion)
    found = _refit(reduced, kept)._replace(standard_errors=spread)
    return _as_fit(theta, targets, found, share, members)


# Two programs: what depends on the number of rows is small, the selection is compiled once per number of candidates.
@eqx.filter_jit
def _reduce(theta: Any, targets: Any, independent: Any) -> Reduced:
    return jax.vmap(lambda target: Reduced(theta, target, independent), in_axes=1)(targets)


@eqx.filter_jit
def _select(optimizer: Any, reduced: Reduced) -> Regression:
    return jax.vmap(optimizer.select)(reduced)


@eqx.filter_jit
def _members(optimizer: Any, theta: Any, targets: Any, independent: Any, draws: Any) -> Any:
    """The coefficients of every member, (members, equations, K)."""

    def one(rows):
        select = lambda target: optimizer.fit(theta[rows], target[rows], independent).coefficients
        return jax.vmap(select, in_axes=1)(targets)

    return jax.lax.map(one, draws, batch_size=16)


@eqx.filter_jit
def _vote(members: Any, inclusion: Any) -> tuple[Any, Any, Any]:
    """Which terms are kept, in which part of the members they are, and how far those members are apart."""
    held = members != 0
    share = jnp.mean(held, axis=0)
    kept = share >= inclusion
    count = jnp.maximum(jnp.sum(held, axis=0), 1)
    mean = jnp.sum(members, axis=0) / count
    spread = jnp.sqrt(jnp.sum(jnp.where(held, members - mean, 0.0) ** 2, axis=0) / jnp.maximum(count - 1, 1))
    return kept, share, jnp.where(kept, spread, 0.0)


@eqx.filter_jit
def _refit(reduced: Reduced, kept: Any) -> Regression:
    """Least squares with the kept columns alone."""

    def one(problem, mine):
        w, errors, conditioning = problem.solve(mine)
        return Regression(w, errors, jnp.asarray(True), conditioning)

    return jax.vmap(one)(reduced, kept)


@eqx.filter_jit
def _as_fit(theta: Any, targets: Any, found: Any, share: Any, members: Any) -> SparseFit:
    coefficients = found.coefficients
    residual = targets - theta @ coefficients.T
    variance = jnp.sum((targets - jnp.mean(targets, axis=0)) ** 2, axis=0)
    r2 = 1 - jnp.sum(residual**2, axis=0) / jnp.where(variance > 0, variance, 1.0)
    finite = jnp.all(jnp.isfinite(theta)) & jnp.all(jnp.isfinite(targets))
    limit = 10 * theta.shape[1] * jnp.finfo(theta.dtype).eps
    checks = (
        (~finite, LawStatus.NON_FINITE),
        (jnp.any(jnp.all(coefficients == 0, axis=1)), LawStatus.NO_TERMS),
        (jnp.any(found.conditioning < limit), LawStatus.ILL_CONDITIONED),
        (~jnp.all(found.converged), LawStatus.NOT_CONVERGED),
    )
    status = jnp.asarray(int(LawStatus.FOUND), jnp.int32)
    for fails, code in reversed(checks):
        status = jnp.where(fails, int(code), status)
    return SparseFit(coefficients, found.standard_errors, r2, share, members, status)
