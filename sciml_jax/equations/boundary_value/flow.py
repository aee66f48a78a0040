"""Integrations inside the shooting methods."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ...core.status import Status
from ..problem import ODEProblem
from ..saveat import SaveAt
from ..solution import Solution
from .equations import Fixed, FlatEquations, Operands

TIGHTER = 0.1
"""Tolerance of the integrations relative to that of the search, which must see a smooth function."""


class Flow:
    """From the state at one time to that at another."""

    def __init__(self, method: Any, equations: FlatEquations, max_steps: int):
        self._method = method
        self._field = _FlatField(equations)
        self._max_steps = max_steps

    def solve(
        self, operands: Operands, fixed: Fixed, ta: Any, tb: Any, y: Any, saveat: SaveAt | None = None
    ) -> Solution:
        """Integrate; differentiable with respect to the operands, the times and the state."""
        return self._method.solve(
            ODEProblem(self._field, y, ta, tb, (operands.field, fixed.field_consts)),
            saveat=saveat,
            rtol=TIGHTER * fixed.rtol,
            atol=TIGHTER * fixed.atol,
            dt0=fixed.dt0,
            max_steps=self._max_steps,
            on_failure="status",
        )

    def __call__(self, operands: Operands, fixed: Fixed, ta: Any, tb: Any, y: Any) -> tuple[Any, tuple[Any, Any]]:
        """The state at `tb`, and the status and the evaluations that it took."""
        solution = self.solve(operands, fixed, ta, tb, y)
        return solution.y1, (solution.status, solution.stats.num_vector_field)

    def jacobian(self, operands: Operands, fixed: Fixed, ta: Any, tb: Any, y: Any) -> Any:
        """The derivative of the state at `tb` with respect to that at `ta`, shape (n, n)."""
        return jax.jacfwd(lambda y: self(operands, fixed, ta, tb, y)[0])(y)


class _FlatField(eqx.Module):
    """The vector field on flat states; its operands are the arguments of the integration."""

    equations: FlatEquations = eqx.field(static=True)

    def __call__(self, t: Any, y: Any, args: tuple) -> Any:
        theta, consts = args
        return self.equations.vector_field(theta, consts, t, y)


def worst(statuses: Any) -> Any:
    """The first status that is not a success, or success."""
    statuses = jnp.ravel(statuses)
    return statuses[jnp.argmax(statuses != Status.SUCCESS)]
