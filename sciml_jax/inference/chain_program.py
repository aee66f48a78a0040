"""The compiled parts of a run: the start of a group of chains, and a block of its transitions."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..core.callables import Function, captured_values
from ..core.tree import Static
from .chain_starts import begin, draw_starts
from .kernel import AbstractKernel, Stage
from .posterior import Posterior


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
