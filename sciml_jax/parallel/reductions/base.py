"""The protocol of a reduction over the members of an ensemble."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree


class AbstractReduction(eqx.Module):
    """A frozen recipe: summarise a chunk on the device, merge summaries on the host, finish.

    Subclass it for a reduction of your own, with static fields (``equinox.field(static=True)``). The state between
    chunks is any pytree of NumPy arrays; chunks are merged in a fixed order, so that results do not depend on which
    device was faster.
    """

    of: Callable[[PyTree], PyTree] | None = eqx.field(static=True)
    """What to reduce of one member's output; None: all of it."""

    def select(self, outputs: PyTree) -> PyTree:
        """What is reduced, leaves (lanes, ...)."""
        chosen = outputs if self.of is None else jax.vmap(self.of)(outputs)
        for path, leaf in jax.tree_util.tree_flatten_with_path(chosen)[0]:
            if jnp.issubdtype(leaf.dtype, jax.dtypes.extended):
                msg = (
                    f"Reductions need numbers; {jax.tree_util.keystr(path)} has dtype {leaf.dtype}. Choose what to "
                    "reduce, for example of=lambda out: out.y1."
                )
                raise TypeError(msg)
        return chosen

    @abc.abstractmethod
    def summarise(self, values: PyTree, valid: Bool[Array, " lanes"]) -> PyTree:
        """The summary of a chunk, traced: `values` with leaves (lanes, ...), of which only the `valid` lanes count."""

    def load(self, summary: PyTree) -> Any:
        """The host's state from the summary of one chunk."""
        return summary

    @abc.abstractmethod
    def merge(self, a: Any, b: Any) -> Any:
        """The state of two groups of members together."""

    def pack(self, state: Any) -> PyTree:
        """The state as a pytree of NumPy arrays of fixed structure, to be sent to other processes."""
        return state

    def unpack(self, packed: PyTree) -> Any:
        """Undo `pack`."""
        return packed

    @abc.abstractmethod
    def finish(self, state: Any) -> PyTree:
        """The result."""


def check_of(of: Any, example: str) -> None:
    """Refuse a selector that cannot be called."""
    if of is not None and not callable(of):
        msg = f"`of` must be a function of one member's output; got {of!r}. Pass, for example, `{example}`."
        raise TypeError(msg)
