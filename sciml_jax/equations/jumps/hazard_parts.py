"""The functions of an equation that carries its hazard along; modules, so that what they hold stays visible to JAX.

The state is `{"count": jumps so far, "left": hazard until the next one, "y": the user's state}`.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .network import check_affected, check_rates
from .random_words import exponential_and_uniform, hashed_words, seed_words


class HazardField(eqx.Module):
    """The base equation, with `d left / dt = -sum(rates)`."""

    field: Callable | None
    base_args: PyTree
    has_own_args: bool = eqx.field(static=True)
    rates: Callable

    def __call__(self, t: Any, state: Any, args: Any) -> Any:
        """The time derivative of the extended state."""
        y, left = state["y"], state["left"]
        if self.field is None:
            slope = jax.tree_util.tree_map(jnp.zeros_like, y)
        else:
            slope = self.field(t, y, self.base_args if self.has_own_args else args)
        total = jnp.sum(self.rates(t, y, args)).astype(left.dtype)
        return {"count": jnp.zeros_like(state["count"]), "left": -total, "y": slope}


class HazardDiffusion(eqx.Module):
    """The diffusion of the base equation; nothing else is noisy."""

    diffusion: Callable
    base_args: PyTree
    has_own_args: bool = eqx.field(static=True)
    noise: str = eqx.field(static=True)

    def __call__(self, t: Any, state: Any, args: Any) -> Any:
        """The diffusion of the extended state."""
        y = state["y"]
        found = self.diffusion(t, y, self.base_args if self.has_own_args else args)
        extra = ()
        pairs = list(zip(jax.tree_util.tree_leaves(found), jax.tree_util.tree_leaves(y), strict=True))
        if pairs[0][0].ndim > pairs[0][1].ndim:  # a column for every motion
            extra = pairs[0][0].shape[-1:]
        nothing = jnp.zeros(extra, state["left"].dtype)
        return {"count": nothing, "left": nothing, "y": found}


class Left(eqx.Module):
    """The condition of a jump."""

    def __call__(self, t: Any, state: Any, args: Any) -> Any:
        """What is left of the hazard."""
        del t, args
        return state["left"]


class AllParts(eqx.Module):
    """The random numbers of the jumps, by their number."""

    words: Any

    def draw(self, count: Any) -> tuple[Any, Any, Any]:
        """For a jump: the exponential number until the one after it, a uniform number, and words for a key."""
        counter = count.astype(jnp.uint32)
        first, second = hashed_words(_four(self.words), counter, jnp.arange(2, dtype=jnp.uint32))
        waiting, uniform = exponential_and_uniform(first[0], second[0], count.dtype)
        return waiting, uniform, jnp.stack([first[1], second[1]])

    def exponential(self, count: Any) -> Any:
        """The exponential number alone."""
        return self.draw(count)[0]


class HazardAffect(eqx.Module):
    """What a jump changes."""

    rates: Callable
    affect: Callable | None
    words: Any
    changes: Any = eqx.field(static=True)

    def __call__(self, t: Any, state: Any, args: Any) -> Any:
        """The extended state after a jump."""
        y, count = state["y"], state["count"] + 1
        waiting, uniform, key_words = AllParts(self.words).draw(count)
        out = self.rates(t, y, args)
        check_rates(out, self.changes)
        sums = jnp.cumsum(jax.lax.stop_gradient(out).astype(count.dtype))
        reaction = jnp.sum(uniform * sums[-1] >= sums[:-1], dtype=jnp.int32)
        if self.affect is not None:
            new = self.affect(t, y, args, reaction, jax.random.wrap_key_data(key_words))
            check_affected(new, y)
        else:
            new = _changed(y, self.changes.matrix, reaction)
        return {"count": count, "left": waiting, "y": new}


class PartOfState(eqx.Module):
    """What is saved: the user's part."""

    def __call__(self, t: Any, state: Any, args: Any) -> Any:
        """The user's state."""
        del t, args
        return state["y"]


class Observed(eqx.Module):
    """`SaveAt(fn=...)` of the user's part."""

    fn: Callable

    def __call__(self, t: Any, state: Any, args: Any) -> Any:
        """The user's function."""
        return self.fn(t, state["y"], args)


def hazard_words(key: Any) -> Any:
    """Words of the jumps, shape (4,); those of a Brownian path come from another key."""
    return seed_words(jax.random.fold_in(key, 0))


def extended_tolerance(value: Any, y0: Any) -> Any:
    """A tolerance of the state as one of the extended state; scalars as they are."""
    if value is None or jax.tree_util.treedef_is_leaf(jax.tree_util.tree_structure(value)) and jnp.ndim(value) == 0:
        return value
    smallest = jnp.min(jnp.stack([jnp.min(jnp.asarray(leaf)) for leaf in jax.tree_util.tree_leaves(value)]))
    if jax.tree_util.treedef_is_leaf(jax.tree_util.tree_structure(value)):
        value = jax.tree_util.tree_map(lambda _: value, y0)
    return {"count": smallest, "left": smallest, "y": value}


def _changed(y: Any, matrix: Any, reaction: Any) -> Any:
    leaves, tree = jax.tree_util.tree_flatten(y)
    new, start = [], 0
    for leaf in leaves:
        columns = matrix[:, start : start + leaf.size].reshape(-1, *leaf.shape)
        new.append(leaf + jnp.asarray(columns, leaf.dtype)[reaction])
        start += leaf.size
    return tree.unflatten(new)


def _four(words: Any) -> tuple:
    return tuple(words[i] for i in range(4))
