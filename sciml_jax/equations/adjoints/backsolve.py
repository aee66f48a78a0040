"""The continuous adjoint that integrates the state backwards, too."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from .backward_pass import Forward, Sweep, field_operands, vector_field
from .continuous import AbstractContinuousAdjoint
from .replay import Replay


class Backsolve(AbstractContinuousAdjoint):
    """Differentiate by the adjoint equation, solving for `y` backwards along with it: no memory, and often wrong.

    Integrates `y' = f`, `lambda' = -(df/dy)^T lambda` and `mu' = -(df/dtheta)^T lambda` together from `t1` to `t0`.
    Nothing of the forward solve is kept but its outputs; `y` is put back on the saved states where those are saved as
    they are (without `SaveAt(fn=...)`).

    Not for stiff or strongly contracting problems: what decays forwards grows backwards, errors in `y` like
    `exp(|lambda| (t1 - t0))`, and the derivative is wrong without a sign of it, or NaN. `docs/guide/adjoints.md` shows
    a van der Pol oscillator. Use it for mild problems that are too long for anything else, and compare with
    `Checkpointed` once.

    Cost: one solve backwards for 2 n + p numbers. Memory: none that grows with the steps; `max_steps=None` works.
    Reverse mode, `vmap` and `shard_map` work; `jvp` and `jacfwd` do not; `hessian` with a bounded `max_steps`. Saved at
    given times only.

    Parameters
    ----------
    rtol, atol, method, max_steps
        As for `Interpolating`.

    Raises
    ------
    ValueError
        For `SaveAt(steps=...)` and `SaveAt(dense=True)`.

    References
    ----------
    Chen, Rubanova, Bettencourt & Duvenaud, Neural ordinary differential equations, NeurIPS 2018. Kim, Ji, Deng, Ma &
    Rackauckas, Stiff neural ordinary differential equations, Chaos 31 (2021) 093122 (its failure).
    """

    keeps_interpolants: ClassVar[bool] = False

    def forward(self, plan: Any, operands: Any, settings: Any) -> tuple[Any, tuple, Any]:
        """See `AbstractContinuousAdjoint`."""
        outputs, info = Replay().integration(plan)(operands, settings)
        return outputs, info, ()

    def state(self, plan: Any, forward: Forward, sweep: Sweep) -> tuple:
        """See `AbstractContinuousAdjoint`."""
        if plan.num_save == 0 or plan.system.saved_function is not None:
            return sweep.y
        # Any save time will do: the states there are known.
        there = forward.operands.save_ts == sweep.t
        row, known = jnp.argmax(there), jnp.any(there)
        return tuple(
            jnp.where(known & jnp.all(jnp.isfinite(saved[row])), saved[row], leaf)
            for saved, leaf in zip(forward.outputs.saved, sweep.y, strict=True)
        )

    def interval(self, plan: Any, forward: Forward, sweep: Sweep, end: Any) -> Sweep:
        """See `AbstractContinuousAdjoint`."""
        theta, field = field_operands(plan, forward), vector_field(plan, forward)

        def backward(t, state, args):
            y, adjoint, _ = state
            slope, pull = jax.vjp(lambda y, theta: field(t, y, theta), y, theta)
            return slope, *jax.tree_util.tree_map(lambda leaf: -leaf, pull(adjoint))

        count = len(theta)
        state = (self.state(plan, forward, sweep), sweep.adjoint, sweep.theta[:count])
        options = {}
        for name in ("rtol", "atol"):
            own = self.tolerance(name, forward.settings)
            of_y = getattr(forward.settings, name) if getattr(self, name) is None else (own,) * len(sweep.y)
            options[name] = (of_y, (own,) * len(sweep.y), (own,) * count)
        solution = self.solve(plan, forward, backward, state, sweep, end, **options)
        y, adjoint, integrals = solution.y1
        return sweep._replace(y=y, adjoint=adjoint, theta=integrals + sweep.theta[count:], h=solution.stats.h_last)
