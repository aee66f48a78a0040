"""The compiled parts of a run: the start of a group of chains, and a block of its transitions."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..core.callables import Function, captured_values
from ..core.tree import Static
from .kernel import AbstractKernel, Stage
from .posterior import Posterior, initial_candidates

TRIES = 32
"""Draws from the priors among which a chain's start is chosen."""

CLIMBERS, CLIMB_STEPS, CLIMB_RATE = 4, 64, 0.1


def starts(post: Posterior, keys: Any, count: int) -> tuple[Array, Array, Array]:
    """For every chain the `count` likeliest of some draws from the priors, their densities, and the draws' spread."""

    def one(key):
        positions, fit = initial_candidates(post, jax.random.split(jax.random.fold_in(key, 0), TRIES))
        fit, best = jax.lax.top_k(fit, count)
        usable = jnp.all(jnp.isfinite(positions), axis=1, keepdims=True)
        spread = jnp.std(positions, axis=0, where=usable)
        return positions[best], jnp.isfinite(fit), jnp.where(jnp.isfinite(spread), spread, 0)

    return jax.vmap(one)(keys)


def begin(post: Posterior, kernel: AbstractKernel, positions: Float[Array, "chains dim"]) -> Any:
    """The states of chains at some positions."""
    return jax.vmap(lambda position: kernel.init(post, position))(positions)


def draw_starts(post: Posterior, kernel: AbstractKernel, keys: Any) -> tuple[Any, Array]:
    """The states of chains that start near draws from the priors, and whether they are usable.

    Kernels with gradients first follow that of the likelihood, not of the prior (which would lead into the necks of
    hierarchies), by at most a few standard deviations of the prior: warmups from poor fits are long.
    """
    positions, good, spread = starts(post, keys, CLIMBERS if kernel.climbs else 1)
    if not kernel.climbs:
        return begin(post, kernel, positions[:, 0]), good[:, 0]
    states = jax.vmap(lambda many, spread: _climb(post, kernel, many, spread))(positions, spread)
    density = jnp.where(good, states.chain.logdensity, -jnp.inf)
    best = jnp.argmax(density, axis=1)
    rows = jnp.arange(best.size)
    return jax.tree.map(lambda leaf: leaf[rows, best], states), jnp.isfinite(density[rows, best])


def _climb(post: Posterior, kernel: AbstractKernel, positions: Array, spread: Array) -> Any:
    """Adam's steps on the log-likelihood, in units of the priors' spread; the states at the best densities passed."""

    def one(start):
        def step(carry, i):
            position, mean, square, best = carry
            state = kernel.init(post, position)
            better = state.chain.logdensity > best.chain.logdensity
            best = jax.tree.map(lambda new, old: jnp.where(better, new, old), state, best)
            slope = (state.chain.logdensity_grad - jax.grad(post.log_prior_density)(position)) * spread
            slope = jnp.where(jnp.isfinite(slope), slope, 0)
            mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope**2
            size = mean / (1 - 0.9 ** (i + 1)) / (jnp.sqrt(square / (1 - 0.99 ** (i + 1)) + 1e-30))
            rate = CLIMB_RATE * 0.5 * (1 + jnp.cos(jnp.pi * i / CLIMB_STEPS))
            return (position + rate * spread * size, mean, square, best), None

        like = jax.eval_shape(lambda position: kernel.init(post, position), start)
        none = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)
        none = none._replace(chain=none.chain._replace(logdensity=jnp.full((), -jnp.inf, start.dtype)))
        zero = jnp.zeros_like(start)
        carry, _ = jax.lax.scan(step, (start, zero, zero, none), jnp.arange(CLIMB_STEPS, dtype=start.dtype))
        return carry[3]

    return jax.vmap(one)(positions)


def advance(
    post: Posterior, kernel: AbstractKernel, keys: Any, state: Any, first: Int[Array, ""], stages: Stage
) -> tuple[Any, Float[Array, "chains block dim"], dict]:
    """Run transitions `first`, `first + 1`, ... of some chains; `stages` has one entry for each."""

    def transition(state, now):
        index, stage = now

        def one(key, state):
            return kernel.step(post, jax.random.fold_in(jax.random.fold_in(key, 1), index), state, stage)

        state, positions, stats = jax.vmap(one)(keys, state)
        return state, (positions, stats)

    count = stages.warmup.shape[0]
    state, (positions, stats) = jax.lax.scan(transition, state, (first + jnp.arange(count), stages))
    return state, *jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), (positions, stats))


class Programs:
    """The two programs of a group, compiled once for all groups of a device; the same posterior compiles nothing."""

    def __init__(self, post: Posterior, kernel: AbstractKernel):
        self._arrays, static = eqx.partition((post, kernel), eqx.is_array)
        leaves = jax.tree.leaves((post, kernel), is_leaf=lambda leaf: isinstance(leaf, Function))
        functions = [leaf for leaf in leaves if isinstance(leaf, Function)]
        self._static: Any = {"static": Static(static), "captured": Static(captured_values(*functions))}

    def put(self, device: Any) -> Any:
        """The arrays of the posterior on a device."""
        return jax.device_put(self._arrays, device)

    def begin(self, arrays: Any, keys: Any, positions: Any) -> Any:
        """States of a group and whether its starts are usable; `positions` None draws them."""
        return _begin(arrays, keys, positions, **self._static)

    def advance(self, arrays: Any, *args: Any) -> Any:
        """A block of transitions of a group."""
        return _advance(arrays, *args, **self._static)

    def text(self, arrays: Any, *args: Any) -> str:
        """The lowered program of a block, which says what is computed."""
        return _advance.lower(arrays, *args, **self._static).as_text()


@functools.partial(jax.jit, static_argnames=("static", "captured"))
def _begin(arrays, keys, positions, *, static, captured):
    del captured  # part of the key of the compiled program
    post, kernel = eqx.combine(arrays, static.tree)
    if positions is None:
        return draw_starts(post, kernel, keys)
    state = begin(post, kernel, positions)
    return state, jnp.isfinite(state.chain.logdensity)


@functools.partial(jax.jit, static_argnames=("static", "captured"))
def _advance(arrays, keys, state, first, stages, *, static, captured):
    del captured
    post, kernel = eqx.combine(arrays, static.tree)
    return advance(post, kernel, keys, state, first, stages)
