"""What the discrete-time method returns: a polynomial in time whose values are networks in space."""

import os
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.checkpoint import save_checkpoint
from .problem_checks import as_row
from .solution import PINNSolution
from .solution_file import held_arrays
from .stage_problem import StageResidual
from .trained_function import AbstractTrainedFunction

KIND = "discrete-time solution of sciml_jax.pinn"


class DiscreteTimeSolution(AbstractTrainedFunction):
    """A trained implicit Runge-Kutta step; call it with points in space and time, shape (..., d).

    Between initial values, stages and end it is the polynomial through all of them, of degree q + 1: accurate at all
    times of the step.

    Attributes
    ----------
    stages
        The `PINNSolution` in space whose components are the stages and the end.
    stage_times
        (q + 1,): their times.
    error_estimate
        Estimated relative L2 error of stages and end together.
    status, history, stats, residual_norm
        As of `PINNSolution`, of the stages' equations; `stats` has `num_stages` too.
    """

    problem: Any
    stages: PINNSolution
    coefficients: Array
    """Legendre coefficients of the polynomial through the values at 0, all nodes and 1."""
    error_estimate: Float[Array, ""]
    residual_norm: Float[Array, ""]
    status: Array
    stats: dict[str, Any]
    history: dict[str, Array]

    @property
    def domain(self) -> Any:
        """The domain of the problem."""
        return self.problem.domain

    @property
    def stage_times(self) -> Float[Array, " stages"]:
        """The times of the stages and of the end."""
        return self._equations.step.times

    @property
    def _equations(self) -> StageResidual:
        return self.stages.system.problem.residual

    def function(self) -> Callable[[Array], Array]:
        """`u(z)` for one point."""
        parts, params = self._equations, self.problem.params
        step, stages = parts.step, self.stages.function()

        def u(z: Array) -> Array:
            x = step.space(z)
            first = parts.start(step.point(x, parts.begin), params).astype(z.dtype)
            values = jnp.concatenate([first, step.shaped(stages(x))])
            place = 2 * (z[step.time] - parts.begin) / (step.times[-1] - parts.begin) - 1
            value = legendre(place, values.shape[0]) @ (self.coefficients.astype(z.dtype) @ values)
            return value[0] if step.num_outputs == 1 else value

        return u

    def residual(self, z: Float[Array, "*batch d"]) -> Array:
        """The residual of the differential equation at points, (..., k) for k equations."""
        u = self.function()
        return self.at_points(lambda z: as_row(self.problem.residual(u, z, self.problem.params)), z)

    def save(self, path: str | os.PathLike) -> None:
        """Write the solution to a file, atomically; `sj.pinn.load_solution(path, problem, method)` reads it."""
        stats = {name: int(count) for name, count in self.stages.stats.items()}
        lengths = {name: len(values) for name, values in self.stages.history.items()}
        save_checkpoint(path, held_arrays(self.stages), {"what": KIND, "stats": stats, "history": lengths})


def legendre(s: Array, count: int) -> Float[Array, " count"]:
    """The first Legendre polynomials at s."""
    values = [jnp.ones_like(s), s]
    for k in range(1, count - 1):
        values.append(((2 * k + 1) * s * values[k] - k * values[k - 1]) / (k + 1))
    return jnp.stack(values[:count])


def with_stages(problem: Any, stages: PINNSolution, coefficients: Any) -> DiscreteTimeSolution:
    """The solution in space and time of that of the stages."""
    num_stages = stages.system.problem.residual.step.times.shape[0] - 1
    return DiscreteTimeSolution(
        problem=problem,
        stages=stages,
        coefficients=jnp.asarray(coefficients, stages.vector.dtype),
        error_estimate=stages.error_estimate,
        residual_norm=stages.residual_norm,
        status=stages.status,
        stats={**stages.stats, "num_stages": num_stages},
        history=stages.history,
    )
