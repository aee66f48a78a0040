"""Steps of an Optax optimiser on the weighted mean square of all equations."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array

from .damped_steps import TrainingState
from .residual_system import Balance, ResidualSystem, Term, balanced_terms, rows


def gradient_block(
    system: ResidualSystem,
    state: TrainingState,
    opt_state: Any,
    key: Any,
    items: list,
    optimizer: optax.GradientTransformation,
    balance: Balance,
    num_steps: int,
) -> tuple[TrainingState, Any, Array]:
    """Some steps; each sees its own random half of the points."""
    terms = balanced_terms(system, state.vector, state.points, items, balance)
    update = optax.with_extra_args_support(optimizer).update

    def step(carry: tuple, key: Any) -> tuple[tuple, Array]:
        state, opt_state = carry
        batch = [_half(key, term) if number == 0 else term for number, term in enumerate(terms)]
        loss = lambda vector: jnp.sum(rows(batch, vector) ** 2)
        cost, gradient = jax.value_and_grad(loss)(state.vector)
        moved, opt_state = update(gradient, opt_state, state.vector, value=cost, grad=gradient, value_fn=loss)
        vector = state.vector + moved
        good = jnp.all(jnp.isfinite(vector))
        vector = jnp.where(good, vector, state.vector)
        return (state._replace(vector=vector, failed=~good), opt_state), cost

    (state, opt_state), costs = lax.scan(step, (state, opt_state), jax.random.split(key, num_steps))
    return state, opt_state, costs


def _half(key: Any, term: Term) -> Term:
    count = term.factors.shape[0]
    chosen = jax.random.permutation(key, count)[: max(count // 2, 1)]
    items = jax.tree_util.tree_map(lambda leaf: leaf[chosen], term.items)
    return Term(term.row, items, term.factors[chosen] * jnp.sqrt(count / chosen.shape[0]))
