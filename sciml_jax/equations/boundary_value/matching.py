"""The equations of shooting: pieces of the solution, each integrated from its own state, meet."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ...core.status import Status
from ..saveat import SaveAt
from ..solution import Stats
from .block_elimination import Blocks, block_solver
from .equations import Fixed, FlatEquations, Operands, node_times
from .flow import Flow, worst
from .newton import Evaluated, Found, as_floats, newton, search_stats
from .saving import JoinedPieces, Saved, interval_of, unflatten


class ShootingOutcome(NamedTuple):
    """What a search found beside the solution."""

    found: Found


class MatchingEquations:
    """`y_(i+1) = Phi_i(y_i)` over N equal intervals, and `g(y_0, y_N) = 0`; a `Discretisation`.

    Parameters
    ----------
    equations
        The problem.
    flow
        Integrates over an interval.
    num_intervals
        N.
    max_iterations
        Bound on Newton's iterations.
    from_start
        Whether the search starts from the trajectory through the first guess; for one interval only.
    """

    def __init__(self, equations: FlatEquations, flow: Flow, num_intervals: int, max_iterations: int, from_start: bool):
        self.equations = equations
        self.num_intervals = num_intervals
        self._flow = flow
        self._max_iterations = max_iterations
        self._from_start = from_start

    def nodes(self, operands: Operands) -> Any:
        """The times between the intervals and at the ends, shape (N + 1,)."""
        return node_times(operands, jnp.linspace(0, 1, self.num_intervals + 1, dtype=operands.t0.dtype))

    def find(self, operands: Operands, fixed: Fixed) -> tuple[Any, ShootingOutcome]:
        """See `Discretisation`."""
        guess = fixed.guess
        if self._from_start:
            guess = jnp.stack([guess[0], self._flow(operands, fixed, operands.t0, operands.t1, guess[0])[0]])
        tolerance = lambda y: fixed.atol + fixed.rtol * jnp.abs(y) + jnp.finfo(y.dtype).tiny
        evaluate = lambda y: self._evaluate(operands, fixed, y)
        linearise = lambda y: block_solver(self.blocks(operands, fixed, None, y))
        y, found = newton(evaluate, linearise, tolerance, guess, self._max_iterations, operands, fixed)
        y = jnp.where(found.status == Status.SUCCESS, y, fixed.guess)
        return y, ShootingOutcome(as_floats(found, y))

    def residual(self, operands: Operands, fixed: Fixed, mesh: Any, y: Any) -> Any:
        """See `Discretisation`."""
        del mesh
        return self._evaluate(operands, fixed, y).residual

    def blocks(self, operands: Operands, fixed: Fixed, mesh: Any, y: Any) -> Blocks:
        """See `Discretisation`."""
        del mesh
        nodes = self.nodes(operands)
        jacobian = lambda ta, tb, y: self._flow.jacobian(operands, fixed, ta, tb, y)
        left = -jax.vmap(jacobian)(nodes[:-1], nodes[1:], y[:-1])
        right = jnp.broadcast_to(jnp.eye(y.shape[1], dtype=y.dtype), left.shape)
        first, last = jax.jacfwd(self.equations.ends_at(operands, fixed), (0, 1))(y[0], y[-1])
        return Blocks(left, right, first, last)

    def _evaluate(self, operands: Operands, fixed: Fixed, y: Any) -> Evaluated:
        nodes = self.nodes(operands)
        flow = lambda ta, tb, y: self._flow(operands, fixed, ta, tb, y)
        reached, (statuses, evaluations) = jax.vmap(flow)(nodes[:-1], nodes[1:], y[:-1])
        ends = self.equations.ends_at(operands, fixed)(y[0], y[-1])
        residual = jnp.concatenate([y[1:] - reached, ends[None]])
        return Evaluated(residual, worst(statuses), jnp.sum(evaluations, dtype=evaluations.dtype))

    def read(self, operands: Operands, fixed: Fixed, y: Any, wanted: Saved) -> tuple[Any, Any, Any, Any]:
        """Saved times and states, the state at the end and the dense output, by integrating once more where needed."""
        layout, nodes = self.equations.layout, self.nodes(operands)
        starts = (nodes[:-1], nodes[1:], y[:-1])
        solve = lambda ta, tb, y, saveat: self._flow.solve(operands, fixed, ta, tb, y, saveat)

        def evaluate(ts):
            own = jax.vmap(lambda t: interval_of(nodes, t))(ts)

            # Every interval saves at every time, those outside it at its ends; each time is then read from its own.
            def states(i, ta, tb, y):
                return solve(ta, tb, y, SaveAt(ts=jnp.where(own == i, ts, jnp.where(own < i, ta, tb)))).ys

            every = jax.vmap(states)(jnp.arange(self.num_intervals), *starts)
            return jax.vmap(lambda vector: unflatten(layout, vector))(every[own, jnp.arange(ts.shape[0])])

        ends = unflatten(layout, y[0]), unflatten(layout, y[-1])
        dense = None
        if wanted.saveat.dense:
            pieces = jax.vmap(lambda ta, tb, y: solve(ta, tb, y, SaveAt(dense=True)).dense)(*starts)
            dense = JoinedPieces(nodes, pieces, layout)
        return *wanted.collect(*ends, evaluate), ends[1], dense

    def stats(self, outcome: ShootingOutcome, t1: Any) -> Stats:
        """The counts."""
        return Stats(**search_stats(outcome.found, t1))
