"""Segments that must join: their residuals, mismatches and derivatives, and what follows for the parameters alone."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .estimate import Objective
from .segments import SegmentSolver, initial_states


class Linearised(NamedTuple):
    """All segments: E experiments, K segments, W rows, C series, n components, P parameters."""

    residuals: Float[Array, "experiments segments rows"]
    """Of the data, scaled, 0 for filled-up rows; rows = W C."""
    by_params: Float[Array, "experiments segments rows params"]
    by_state: Float[Array, "experiments segments rows state"]
    end: Float[Array, "experiments segments state"]
    """The state at the end of each segment."""
    end_by_params: Float[Array, "experiments segments state params"]
    end_by_state: Float[Array, "experiments segments state state"]
    first_by_params: Float[Array, "experiments state params"]
    """Derivatives of the initial states."""


class Matching(eqx.Module):
    """Residuals and mismatches as functions of the parameters and the states between the segments."""

    objective: Objective
    solver: SegmentSolver
    is_row: Array

    def first(self, x: Array) -> Float[Array, "experiments state"]:
        """The initial states at flat parameters."""
        params, y0 = self.objective.unknowns.split(x)
        return initial_states(self.solver.predictor, params, y0)

    def linearise(self, x: Array, states: Float[Array, "experiments inner state"]) -> Linearised:
        """Everything at flat parameters and the states at the beginning of all segments but the first."""
        first = self.first(x)
        begin = jnp.concatenate([first[:, None], states], axis=1)
        experiments, segments, size = begin.shape
        count = x.shape[0]

        def one(state, experiment, segment):
            function = lambda v: self._segment(v[:count], v[count:], experiment, segment)
            at = jnp.concatenate([x, state])
            push = lambda tangent: jax.jvp(function, (at,), (tangent,))
            return jax.vmap(push, out_axes=(None, -1))(jnp.eye(count + size, dtype=x.dtype))

        lanes = jnp.indices((experiments, segments)).reshape(2, -1)
        (residuals, end), (dresiduals, dend) = jax.vmap(one)(begin.reshape(-1, size), lanes[0], lanes[1])
        whole = lambda leaf: leaf.reshape(experiments, segments, *leaf.shape[1:])
        residuals, end, dresiduals, dend = (whole(leaf) for leaf in (residuals, end, dresiduals, dend))
        return Linearised(
            residuals,
            dresiduals[..., :count],
            dresiduals[..., count:],
            end,
            dend[..., :count],
            dend[..., count:],
            jax.jacfwd(self.first)(x),
        )

    def _segment(self, x, state, experiment, segment):
        """Scaled residuals and the state at the end of one segment."""
        data, rows = self.objective.data, self.solver.rows[experiment, segment]
        params, _ = self.objective.unknowns.split(x)
        predicted, end = self.solver(params, state, experiment, segment)
        scaled = (predicted - data.ys[experiment, rows]) / data.scale[experiment, rows]
        measured = data.mask[experiment, rows] & self.is_row[experiment, segment][:, None]
        return jnp.where(measured, scaled, 0).ravel(), end

    def system(self, x: Array, states: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Residuals (data, then prior and penalty) and mismatches, each with its Jacobian by (x, states), dense."""
        found = self.linearise(x, states)
        experiments, segments, rows = found.residuals.shape
        size, count = states.shape[2], x.shape[0]
        # The first segment begins where the parameters say.
        begins = jnp.zeros((segments, 1, 1)).at[0].set(1) * found.first_by_params[:, None]
        by_params = found.by_params + found.by_state @ begins
        end_by_params = found.end_by_params + found.end_by_state @ begins
        same = jnp.eye(experiments)
        # Segment k begins with state k - 1 of the inner ones.
        own = jnp.eye(segments, segments - 1, k=-1)
        spread = lambda leaf, to: jnp.einsum("ekrn,kl,ef->ekrfln", leaf, to, same)
        columns = lambda leaf: leaf.reshape(-1, experiments * (segments - 1) * size)
        data_rows = jnp.concatenate([by_params.reshape(-1, count), columns(spread(found.by_state, own))], axis=1)
        identity = jnp.broadcast_to(jnp.eye(size), (experiments, segments - 1, size, size))
        following = spread(found.end_by_state[:, :-1], own[:-1]) - spread(identity, jnp.eye(segments - 1))
        matching = jnp.concatenate([end_by_params[:, :-1].reshape(-1, count), columns(following)], axis=1)
        extra, dextra = self.objective.extra(x), jax.jacfwd(self.objective.extra)(x)
        dextra = jnp.concatenate([dextra, jnp.zeros((extra.shape[0], states.size))], axis=1)
        residuals = jnp.concatenate([found.residuals.ravel(), extra])
        mismatch = (found.end[:, :-1] - states).ravel()
        return (residuals, jnp.concatenate([data_rows, dextra])), (mismatch, matching)

    def condensed(self, residuals: Array, jacobian: Array, mismatches: Array) -> tuple[Array, Array]:
        """Residuals, rows in the order of the data, and their Jacobian by the parameters alone along joined segments.

        Parameters
        ----------
        residuals, jacobian
            Of `system`, those of data, prior and penalty, by parameters and states.
        mismatches
            The Jacobian of the mismatches, `0 = C_x dx + C_s ds`.
        """
        states = mismatches.shape[0]
        count = jacobian.shape[1] - states
        moved = -jnp.linalg.solve(mismatches[:, count:], mismatches[:, :count]) if states else jnp.zeros((0, count))
        total = jacobian[:, :count] + jacobian[:, count:] @ moved
        size = self.is_row.size * self.objective.data.ys.shape[2]
        in_order = self._in_order(jnp.concatenate([residuals[:size, None], total[:size]], axis=1))
        in_order = in_order.reshape(self.objective.data.ys.size, -1)
        residuals = jnp.concatenate([in_order[:, 0], residuals[size:]])
        return residuals, jnp.concatenate([in_order[:, 1:], total[size:]])

    def _in_order(self, leaf: Any) -> Array:
        """From (E K W C, P) to (E, T, C, P)."""
        experiments, length, series = self.objective.data.ys.shape
        leaf = leaf.reshape(experiments, -1, series, leaf.shape[-1])
        leaf = jnp.where(self.is_row.reshape(experiments, -1, 1, 1), leaf, 0)
        rows = jnp.reshape(self.solver.rows, (experiments, -1))
        place = lambda rows, leaf: jnp.zeros((length, *leaf.shape[1:]), leaf.dtype).at[rows].add(leaf)
        return jax.vmap(place)(rows, leaf)
