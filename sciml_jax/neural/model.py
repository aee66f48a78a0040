"""What the models with an initial state and times share."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..core.frozen import Frozen
from ..equations import ODEProblem, Solution
from .network_checks import as_times


class AbstractModel(eqx.Module):
    """A model of trajectories: `model(y0, ts)` are the states at times `ts`, of which the first is that of `y0`."""

    settings: eqx.AbstractVar[Frozen]

    @abc.abstractmethod
    def problem(self, y0: PyTree, t0: Any, t1: Any) -> Any:
        """The problem that a call solves, for use with `sj.solve` and whatever takes problems."""

    def solve(self, y0: PyTree, ts: Float[Array, " T"]) -> Solution:
        """The solution: `ys`, `status`, `stats`, `events`.

        Parameters
        ----------
        y0
            The state at `ts[0]`.
        ts
            (T,): times to save at, sorted; the first is the initial time, the last the end.
        """
        ts = as_times(ts)
        return self.settings.value.solve(self.problem(as_state(y0), ts[0], ts[-1]), ts)

    def __call__(self, y0: PyTree, ts: Float[Array, " T"]) -> Any:
        """States at `ts`, leaves (T, ...); see `solve`."""
        return self.observed(self.solve(y0, ts).ys)

    def observed(self, ys: PyTree) -> Any:
        """The part of the solver's states that a call returns."""
        return ys

    def together(self, y0s: PyTree, ts: Float[Array, " T"]) -> Any:
        """States of a batch from one solve, whose steps have one size for all: leaves (B, T, ...).

        The error estimate is the mean over the batch, so single members may be less accurate than `rtol` where
        trajectories differ much; `jax.vmap(model, in_axes=(0, None))` steps each by itself. For training a network on a
        batch on CPUs this is about twice as fast, since a single solve keeps its steps for the gradient.

        Parameters
        ----------
        y0s
            Initial states, leaves (B, ...).
        ts
            (T,), as in a call.

        Raises
        ------
        TypeError
            With events, which belong to single trajectories.
        """
        if len(self.settings.value.events):
            msg = (
                "Events happen in single trajectories, and `together` steps all of a batch at once; got a model with "
                "`events`. Use `jax.vmap(model, in_axes=(0, None))`."
            )
            raise TypeError(msg)
        ts, y0s = as_times(ts), jax.tree_util.tree_map(jnp.asarray, y0s)
        first = self.problem(jax.tree_util.tree_map(lambda leaf: leaf[0], y0s), ts[0], ts[-1])
        starts = jax.vmap(lambda y0: self.problem(y0, ts[0], ts[-1]).y0)(y0s)
        problem = ODEProblem(MemberwiseField(first.vector_field), starts, ts[0], ts[-1])
        ys = self.settings.value.solve(problem, ts).ys
        return self.observed(jax.tree_util.tree_map(lambda leaf: jnp.moveaxis(leaf, 1, 0), ys))


class MemberwiseField(eqx.Module):
    """The vector field of a batch: that of one member, mapped over the first axis."""

    field: Any

    def __call__(self, t: Any, y: Any, args: Any = None) -> Any:
        """The derivative of all members."""
        return jax.vmap(lambda y: self.field(t, y, args))(y)


def as_state(y0: PyTree) -> Any:
    """Arrays; a list of numbers is a vector, not a pytree of scalars."""
    if isinstance(y0, (list, tuple)) and y0 and all(isinstance(entry, (int, float)) for entry in y0):
        return jnp.asarray(y0, float)
    return jax.tree_util.tree_map(jnp.asarray, y0)
