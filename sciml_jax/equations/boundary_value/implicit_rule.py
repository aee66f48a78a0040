"""Derivatives of the solution of discretised equations by the implicit function theorem."""

from typing import Any, Protocol

import jax

from ..adjoints.derivative_rule import no_tangent


class Discretisation(Protocol):
    """Equations `F(y; operands) = 0` that stand for a boundary value problem."""

    def find(self, operands: Any, fixed: Any) -> tuple[Any, Any]:
        """The solution, and arrays without derivatives that the equations depend on (a mesh)."""
        ...

    def residual(self, operands: Any, fixed: Any, mesh: Any, y: Any) -> Any:
        """`F`, shaped like y."""
        ...

    def linearise(self, operands: Any, fixed: Any, mesh: Any, y: Any) -> Any:
        """`solve(r) -> x` with `dF/dy x = r`."""
        ...


def implicit_root(equations: Discretisation) -> Any:
    """`(operands, fixed) -> (y, mesh)`, differentiable with respect to the operands: `dy = -(dF/dy)^-1 dF/dp dp`.

    The search is not differentiated, nor is what is fixed. Cost: one factorisation, and one solve per tangent or
    cotangent. Both modes, to any order.

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
        solve = equations.linearise(operands, fixed, mesh, y)
        return (y, mesh), (-solve(moved), no_tangent(mesh))

    return root
