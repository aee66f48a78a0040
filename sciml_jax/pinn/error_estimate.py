"""How wrong a trained function is, from its residual on points that it was not trained on."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..numerics.loops import while_loop
from .damped_steps import TrainingState, predicted_decrease, solve_damped
from .matrix_free_step import Linearised, matrix_free_step
from .points import weighted_choice
from .residual_system import Balance, Normal, ResidualSystem, Term, balanced_terms, normal_equations

DENSE_WEIGHTS = 3000
"""The number of weights above which no matrix is formed."""


class ErrorEstimate(NamedTuple):
    """An estimate of the error."""

    relative: Any
    """Estimated L2 norm of the error over that of the function."""
    step: Any
    """The change of the vector that would remove it, to first order."""
    residual_norm: Any
    """Root mean square of the residual at fresh uniform points."""


def estimate_error(
    system: ResidualSystem,
    state: TrainingState,
    key: Any,
    num_items: int,
    balance: Balance,
    *,
    dense: bool | None = None,
) -> ErrorEstimate:
    r"""Estimate the error by one Gauss-Newton step on fresh points.

    On twice as many fresh points, half of them where the residual is large, the equations are linearised, and the step
    d that solves them best gives the error $e(z) = -\partial u / \partial\theta\, d$ to first order. The part of the
    residual that no step removes is taken to cause errors in the same proportion:

    .. math:: \frac{\|\partial_\theta u\, d\|}{\|u\|} \, \frac{\|r\|}{\|J d\|} .

    Costs about two Levenberg-Marquardt steps, up to `DENSE_WEIGHTS` weights or where `dense` says so. For more the step
    comes from conjugate gradients, in memory that grows with points plus weights, not with their product; see
    `matrix_free_step`.
    """
    points = state.points
    n = points.shape[0]
    keys = jax.random.split(key, 4)
    draw = system.problem.domain.interior
    fresh, candidates = draw(keys[0], n), draw(keys[1], 4 * n)
    magnitude = system.magnitude(state.vector, fresh)
    large = weighted_choice(keys[2], system.magnitude(state.vector, candidates), n)
    both = jnp.concatenate([fresh, candidates[large]])
    terms = balanced_terms(system, state.vector, both, system.draw_items(keys[3], 2 * num_items), balance)
    dense = state.vector.size <= DENSE_WEIGHTS if dense is None else dense
    if dense:
        found = _dense_step(terms, state)
    else:
        found = matrix_free_step(terms, state.vector, state.damping, jax.random.fold_in(key, 1))
    step = found.step
    value, change = jax.jvp(lambda vector: values(system, vector, fresh), (state.vector,), (step,))
    smallest = jnp.finfo(state.vector.dtype).tiny
    share = jnp.sqrt(found.cost / jnp.maximum(found.removed, smallest))
    relative = jnp.linalg.norm(change) / jnp.linalg.norm(value) * share
    return ErrorEstimate(relative, step, jnp.sqrt(jnp.mean(magnitude**2)))


def _dense_step(terms: list[Term], state: TrainingState) -> Linearised:
    """The step by the normal equations."""
    normal = normal_equations(terms, state.vector)
    scale = jnp.mean(jnp.diag(normal.matrix))
    step = _solvable(normal, jnp.maximum(state.damping, 10 * jnp.finfo(scale.dtype).eps * scale))
    return Linearised(step, normal.cost, predicted_decrease(normal, step))


def _solvable(normal: Normal, damping: Array) -> Array:
    """The step with the smallest damping, in powers of 100, for which the matrix is not singular to rounding."""

    def going(carry: tuple) -> Any:
        step, _, tries = carry
        return ~jnp.all(jnp.isfinite(step)) & (tries < 6)

    def attempt(carry: tuple) -> tuple:
        _, damping, tries = carry
        return solve_damped(normal, damping), 100 * damping, tries + 1

    start = (jnp.full_like(normal.gradient, jnp.nan), damping, jnp.zeros((), int))
    return while_loop(going, attempt, start, normal.cost)[0]


def values(system: ResidualSystem, vector: Float[Array, " n"], points: Float[Array, "m d"]) -> Array:
    """The function at points, (m,) or (m, num_outputs)."""
    u, _ = system.function(vector)
    return jax.vmap(u)(points)
