"""Levenberg-Marquardt steps with dense normal equations on collocation points that follow the residual."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..numerics.loops import while_loop
from .residual_system import Balance, Normal, ResidualSystem, Term, balanced_terms, normal_equations, rows

TRIES = 12
"""Bound on the dampings that one step tries."""


class TrainingState(NamedTuple):
    """Where a training stands."""

    vector: Any
    damping: Any
    growth: Any
    points: Any
    failed: Any
    """Whether the last step found no decrease."""


class BlockRecord(NamedTuple):
    """What one block of steps reports."""

    costs: Any
    """(steps,): the weighted mean square before each step."""
    error: Any
    """The estimated relative error before the block, from fresh points."""


def start_state(vector: Float[Array, " n"], points: Float[Array, "m d"]) -> TrainingState:
    """The state before the first step."""
    number = lambda value: jnp.full((), value, vector.dtype)
    return TrainingState(vector, number(-1.0), number(2.0), points, jnp.zeros((), bool))


def damped_block(
    system: ResidualSystem, state: TrainingState, items: list, balance: Balance, num_steps: int
) -> tuple[TrainingState, Array]:
    """Some steps on fixed points and factors; returns the state and the costs before each step."""
    terms = balanced_terms(system, state.vector, state.points, items, balance)

    def step(state: TrainingState, _: None) -> tuple[TrainingState, Array]:
        normal = normal_equations(terms, state.vector)
        return damped_step(terms, normal, state), normal.cost

    return lax.scan(step, state, None, num_steps)


def damped_step(terms: list[Term], normal: Normal, state: TrainingState) -> TrainingState:
    """One step: the damping grows until the cost falls, and follows the ratio of actual to predicted decrease."""
    scale = jnp.mean(jnp.diag(normal.matrix))
    damping = jnp.where(state.damping > 0, state.damping, 1e-2 * scale)
    floor = 1e-16 * scale

    def going(carry: tuple) -> Any:
        _, _, _, accepted, tries = carry
        return ~accepted & (tries < TRIES)

    def attempt(carry: tuple) -> tuple:
        _, damping, growth, _, tries = carry
        trial = state.vector + solve_damped(normal, damping)
        after = jnp.sum(rows(terms, trial) ** 2)
        ratio = (normal.cost - after) / predicted_decrease(normal, trial - state.vector)
        good = jnp.isfinite(after) & jnp.isfinite(ratio) & (ratio > 0)
        shrunk = jnp.maximum(damping * jnp.maximum(1 / 3, 1 - (2 * ratio - 1) ** 3), floor)
        vector = jnp.where(good, trial, state.vector)
        damping = jnp.where(good, shrunk, damping * growth)
        return vector, damping, jnp.where(good, 2.0, 2 * growth), good, tries + 1

    start = (state.vector, damping, state.growth, jnp.zeros((), bool), jnp.zeros((), int))
    vector, damping, growth, accepted, _ = while_loop(going, attempt, start, normal.cost)
    return TrainingState(vector, damping, jnp.where(accepted, growth, 2.0), state.points, ~accepted)


def solve_damped(normal: Normal, damping: Array) -> Float[Array, " n"]:
    """The step `-(J^T J + damping I)^{-1} J^T r`; NaN where the matrix is singular to rounding."""
    matrix = normal.matrix + damping * jnp.eye(normal.matrix.shape[0], dtype=normal.matrix.dtype)
    return -jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(matrix), normal.gradient)


def predicted_decrease(normal: Normal, step: Float[Array, " n"]) -> Array:
    """By how much the linearised rows' square falls."""
    return -(2 * jnp.dot(normal.gradient, step) + jnp.dot(step, normal.matrix @ step))
