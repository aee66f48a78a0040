"""Steps of an Optax optimiser on the weighted mean square of all equations."""

from typing import Any

import jax
import jax.flatten_util
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
    share: float = 0.5,
) -> tuple[TrainingState, Any, Array]:
    """Some steps; each sees its own random share of the points.

    The optimiser gets the weights as arrays of their own shapes, for those that treat matrices differently from
    vectors, and what line searches (`value_fn`) and Gauss-Newton methods (`residual_fn`) ask for.
    """
    terms = balanced_terms(system, state.vector, state.points, items, balance)
    update = optax.with_extra_args_support(optimizer).update

    def step(carry: tuple, key: Any) -> tuple[tuple, Array]:
        state, opt_state = carry
        batch = [_some(key, term, share) if number == 0 else term for number, term in enumerate(terms)]
        loss = lambda vector: jnp.sum(rows(batch, vector) ** 2)
        cost, gradient = jax.value_and_grad(loss)(state.vector)
        weights, slope = system.weights(state.vector), system.weights(gradient)

        def value_fn(tree: Any, residual_fn: Any = None) -> Array:
            # Optax's line searches hand on to it all that they do not know, and refuse what it does not take.
            del residual_fn
            return loss(_flat(tree))

        extra = {"value": cost, "grad": slope, "value_fn": value_fn, "residual_fn": lambda p: rows(batch, _flat(p))}
        moved, opt_state = update(slope, opt_state, weights, **extra)
        vector = state.vector + _flat(moved)
        good = jnp.all(jnp.isfinite(vector))
        vector = jnp.where(good, vector, state.vector)
        return (state._replace(vector=vector, failed=~good), opt_state), cost

    (state, opt_state), costs = lax.scan(step, (state, opt_state), jax.random.split(key, num_steps))
    return state, opt_state, costs


def _flat(tree: Any) -> Array:
    return jax.flatten_util.ravel_pytree(tree)[0]


def _some(key: Any, term: Term, share: float) -> Term:
    if share == 1:
        return term
    count = term.factors.shape[0]
    chosen = jax.random.permutation(key, count)[: max(int(share * count), 1)]
    items = jax.tree_util.tree_map(lambda leaf: leaf[chosen], term.items)
    return Term(term.row, items, term.factors[chosen] * jnp.sqrt(count / chosen.shape[0]))
