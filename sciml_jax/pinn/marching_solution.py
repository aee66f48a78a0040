"""What time marching returns: one function on all windows."""

import os
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.checkpoint import save_checkpoint
from .pinn_status import PINNStatus
from .problem_checks import as_row
from .solution import PINNSolution
from .solution_file import held_arrays
from .trained_function import AbstractTrainedFunction

KIND = "time marching of sciml_jax.pinn"
_SEVERITY = (PINNStatus.CONVERGED, PINNStatus.COMPLETED, PINNStatus.NOT_REACHED, PINNStatus.STALLED,
             PINNStatus.NON_FINITE)  # fmt: skip


class MarchingSolution(AbstractTrainedFunction):
    """A function trained window by window, blended where windows overlap; call it with points, shape (..., d).

    Attributes
    ----------
    windows
        The solution of every window, a `PINNSolution` on its own part of the domain.
    error_estimate
        Estimated relative L2 error on the whole domain: every window inherits the errors of those before it, taken to
        neither grow nor fall.
    residual_norm
        The largest of the windows' residual norms.
    status
        That of the worst window, a `PINNStatus`.
    history
        `loss` of all steps and `error` of all blocks, one window after the other; `window_error` (num_windows,): each
        window's own estimate.
    stats
        `num_windows`, `num_steps` in all, `num_points` and `num_weights` of one window.
    """

    problem: Any
    windows: tuple[PINNSolution, ...]
    begins: Float[Array, " windows"]
    blend: Float[Array, ""]
    """Over how long neighbours are blended."""
    error_estimate: Float[Array, ""]
    residual_norm: Float[Array, ""]
    status: Array
    stats: dict[str, Any]
    history: dict[str, Array]
    time: int

    @property
    def domain(self) -> Any:
        """The domain of the problem."""
        return self.problem.domain

    def function(self) -> Callable[[Array], Array]:
        """`u(z)` for one point."""
        parts = [window.function() for window in self.windows]

        def u(z: Array) -> Array:
            total = parts[0](self._within(z, 0))
            for number, part in enumerate(parts[1:], 1):
                share = smooth_step((z[self.time] - self.begins[number]) / self.blend)
                total = (1 - share) * total + share * part(self._within(z, number))
            return total

        return u

    def residual(self, z: Float[Array, "*batch d"]) -> Array:
        """The residual of the equation at points, (..., k) for k equations; blended where windows overlap."""
        u, params = self.function(), self.problem.all_params(self.problem.unknown)
        return self.at_points(lambda z: as_row(self.problem.residual(u, z, params)), z)

    def save(self, path: str | os.PathLike) -> None:
        """Write the solution to a file, atomically; `sj.pinn.load_solution(path, problem, method)` reads it."""
        metadata = {
            "what": KIND,
            "stats": [{name: int(count) for name, count in window.stats.items()} for window in self.windows],
            "history": [{name: len(values) for name, values in window.history.items()} for window in self.windows],
        }
        save_checkpoint(path, tuple(held_arrays(window) for window in self.windows), metadata)

    def _within(self, z: Array, number: int) -> Array:
        """Times outside of a window moved to its end, where its network is defined; their share is zero."""
        domain = self.windows[number].domain
        low, high = domain.lower[self.time], domain.upper[self.time]
        first, last = number == 0, number == len(self.windows) - 1
        t = z[self.time]
        # Not clipped at the ends of the whole domain, so that derivatives there are one-sided ones of the function.
        outside = (jnp.asarray(False) if first else t < low) | (jnp.asarray(False) if last else t > high)
        return z.at[self.time].set(jnp.where(outside, jnp.clip(t, low, high), t))


def smooth_step(s: Array) -> Array:
    """From 0 to 1 with three derivatives zero at both ends."""
    s = jnp.clip(s, 0.0, 1.0)
    return s**4 * (35 - 84 * s + 70 * s**2 - 20 * s**3)


def join(problem: Any, windows: list, begins: Array, blend: Array, time: int) -> MarchingSolution:
    """One solution of those of all windows."""
    relative = jnp.stack([window.error_estimate for window in windows])
    sizes = jnp.stack([_root_mean_square(window) for window in windows])
    carried = jnp.cumsum(relative * sizes)
    codes = jnp.stack([window.status for window in windows])
    rank = jnp.asarray([_SEVERITY.index(status) for status in PINNStatus])
    last = windows[-1].stats
    return MarchingSolution(
        problem=problem,
        windows=tuple(windows),
        begins=begins,
        blend=blend,
        error_estimate=jnp.linalg.norm(carried) / jnp.linalg.norm(sizes),
        residual_norm=jnp.max(jnp.stack([window.residual_norm for window in windows])),
        status=codes[jnp.argmax(rank[codes])],
        stats={
            "num_windows": len(windows), "num_steps": sum(window.stats["num_steps"] for window in windows),
            "num_points": last["num_points"], "num_weights": last["num_weights"],
        },
        history={
            "loss": jnp.concatenate([window.history["loss"] for window in windows]),
            "error": jnp.concatenate([window.history["error"] for window in windows]),
            "window_error": relative,
        },
        time=time,
    )  # fmt: skip


@eqx.filter_jit
def _root_mean_square(window: PINNSolution) -> Array:
    points = window.domain.interior(jax.random.key(0), 512)
    return jnp.sqrt(jnp.mean(window(points) ** 2))
