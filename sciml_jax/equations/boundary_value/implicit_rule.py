"""Derivatives of the solution of discretised equations by the implicit function theorem."""

from typing import Any, Protocol

import jax
import jax.numpy as jnp

from ...core.status import Status
from ..adjoints.derivative_rule import no_tangent
from .block_elimination import Blocks, block_solver, where_usable


class Discretisation(Protocol):
    """Equations `F(y; operands) = 0` that stand for a boundary value problem."""

    def find(self, operands: Any, fixed: Any) -> tuple[Any, Any]:
        """The solution (where none is found, the guess), and how it was found.

        The latter has no derivatives. It holds the status, `found.status`, and what the equations depend on, a mesh.
        """
        ...

    def residual(self, operands: Any, fixed: Any, mesh: Any, y: Any) -> Any:
        """`F`, shaped like y."""
        ...

    def blocks(self, operands: Any, fixed: Any, mesh: Any, y: Any) -> Blocks:
        """`dF/dy`."""
        ...


def implicit_root(equations: Discretisation) -> Any:
    """`(operands, fixed) -> (y, mesh)`, differentiable with respect to the operands: `dy = -(dF/dy)^-1 dF/dp dp`.

    The search is not differentiated, nor is what is fixed; where it failed the derivatives are zero. Cost: one
    factorisation, and one solve per tangent or cotangent. Both modes, to any order.

    References
    ----------
    Krantz & Parks, The Implicit Function Theorem (2013).
    """

    @jax.custom_jvp
    def root(operands, fixed):
        return equations.find(operands, fixed)

    @root.defjvp
    def rule(primals, tangents):
        operands, fixed = primals
        y, mesh = root(operands, fixed)
        moved = jax.jvp(lambda operands: equations.residual(operands, fixed, mesh, y), (operands,), (tangents[0],))[1]
        blocks = equations.blocks(operands, fixed, mesh, y)
        usable = mesh.found.status == Status.SUCCESS
        solve = block_solver(where_usable(usable, blocks))
        change = jnp.where(usable, -solve(moved), 0)
        return (y, mesh), (change, no_tangent(mesh))

    return root
