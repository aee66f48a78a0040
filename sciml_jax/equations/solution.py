"""What a solve of an initial value problem returns."""

from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ..core.method import AbstractSolution
from ..core.status import Status


class Stats(eqx.Module):
    """Counts of the work done, as integer arrays, and where it ended; `stats["num_steps"]` works too."""

    num_steps: Int[Array, ""]
    """Attempted steps."""
    num_accepted: Int[Array, ""]
    """Accepted steps."""
    num_rejected: Int[Array, ""]
    """Rejected steps."""
    num_vector_field: Int[Array, ""]
    """Evaluations of the vector field, those of the first step size included; -1 where unknown (Diffrax)."""
    num_jacobian: Int[Array, ""]
    """Evaluations of the Jacobian."""
    num_factorisation: Int[Array, ""]
    """Factorisations of the iteration matrix."""
    num_jvp: Int[Array, ""]
    """Products of the Jacobian with a vector (forward mode), those that make up Jacobians included: n for a dense one
    of n unknowns, one per colour for a coloured one, none for one that was given; -1 where unknown (Diffrax)."""
    t_last: Float[Array, ""]
    """The last time that was reached."""
    h_last: Float[Array, ""]
    """The step size proposed there."""

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def keys(self) -> tuple[str, ...]:
        """Names of the counts."""
        return tuple(self.__dataclass_fields__)


class DenseOutput(eqx.Module):
    """The interpolants of every step, evaluated by `sol(t)`."""

    starts: Array
    """Times at which the steps begin, shape (max_steps,); steps not taken hold the end of integration."""
    ends: Array
    """Times at which they end."""
    num_steps: Array
    """How many there are."""
    pieces: PyTree
    """Each step's data for the interpolant, leading axis max_steps."""
    method: Any
    """The method, which knows how to interpolate."""
    layout: Any = eqx.field(static=True)
    """Turns the method's tuple of leaves into the user's pytree."""

    def evaluate(self, t: Any) -> PyTree:
        """The state at one time; NaN outside what was integrated."""
        t = jnp.asarray(t, self.starts.dtype)
        direction = jnp.where(self.ends[0] >= self.starts[0], 1, -1).astype(t.dtype)
        # Times are monotone along the integration; rows beyond the last step sort after everything.
        row = jnp.arange(self.ends.shape[0], dtype=jnp.int32)
        keys = jnp.where(row < self.num_steps, direction * self.ends, jnp.inf)
        index = jnp.clip(jnp.searchsorted(keys, direction * t, side="left"), 0, jnp.maximum(self.num_steps - 1, 0))
        ta, tb = self.starts[index], self.ends[index]
        piece = jax.tree_util.tree_map(lambda leaf: leaf[index], self.pieces)
        leaves = self.method.interpolate(piece, (t - ta) / (tb - ta))
        last = self.ends[jnp.maximum(self.num_steps - 1, 0)]
        inside = (direction * t >= direction * self.starts[0]) & (direction * t <= direction * last)
        inside = inside & (self.num_steps > 0)
        return self.layout.merge(tuple(jnp.where(inside, leaf, jnp.nan) for leaf in leaves))


class Solution(AbstractSolution):
    """The solution of an initial value problem.

    With `SaveAt(dense=True)`, `sol(t)` evaluates it at any time of the interval, shape () or (T,), and
    `sol.derivative(t)` its time derivative.
    """

    ts: Float[Array, " time"] | None
    """Saved times, shape (T,), or None when only the dense output was asked for."""
    ys: PyTree
    """Saved states (or `SaveAt(fn=...)` values), leaves (T, ...)."""
    y1: PyTree
    """The state at the end; NaN if the end was not reached."""
    status: Int[Array, ""]
    """A `Status` as an integer array."""
    stats: Stats
    """Counts of the work done."""
    dense: Any = None
    """The interpolants, with `SaveAt(dense=True)`: an object with `evaluate(t)`."""
    events: tuple = ()
    """For each event a log `sj.Triggers` with `ts`, `ys` and `count`."""

    def __call__(self, t: Any) -> PyTree:
        """Evaluate the dense output at a time or an array of times."""
        return self._evaluator()(jnp.asarray(t))

    def derivative(self, t: Any) -> PyTree:
        """The time derivative of the dense output at a time or an array of times."""
        evaluate = self._evaluator()
        t = jnp.asarray(t)
        return jax.jvp(evaluate, (t,), (jnp.ones_like(t),))[1]

    def _evaluator(self):
        if self.dense is None:
            msg = "`sol(t)` needs the interpolants; this solve kept none. Solve with `saveat=sj.SaveAt(dense=True)`."
            raise ValueError(msg)
        return _over_times(self.dense.evaluate)

    def __repr__(self) -> str:
        def text(value: Any) -> str:
            concrete = isinstance(value, (jax.Array, np.ndarray)) and not isinstance(value, jax.core.Tracer)
            return str(int(value)) if concrete and value.ndim == 0 else f"{value}" if concrete else "traced"

        status = text(self.status)
        name = status if not status.isdigit() else Status(int(status)).name
        shape = jax.tree_util.tree_map(jnp.shape, self.ys)
        return f"Solution(status={name}, steps={text(self.stats.num_steps)}, ys={shape})"


def _over_times(evaluate):
    """Map a function of one time over all axes of an array of times."""

    def apply(t):
        mapped = evaluate
        for _ in range(jnp.ndim(t)):
            mapped = jax.vmap(mapped)
        return mapped(t)

    return apply
