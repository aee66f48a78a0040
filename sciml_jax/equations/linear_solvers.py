"""How implicit methods solve their linear systems: what `linear_solver=` of a method takes."""

from typing import Any

import equinox as eqx

from ..core.checks import check_instance
from ..numerics.krylov import as_preconditioner


class AbstractLinearSolver(eqx.Module):
    """How the linear systems `(shift M - J) x = rhs` of an implicit method are solved. Static: part of the program."""


class Direct(AbstractLinearSolver):
    """Factorise. The default.

    Without a sparsity pattern the Jacobian is dense, from n products (n unknowns): written out up to 8 unknowns, by
    loops or LAPACK above. With `ODEProblem(sparsity=...)` it is compressed by a colouring, from one product per colour,
    and factorised in whichever of dense, banded and block-tridiagonal form, after reordering, is estimated cheapest.

    Cost: `2/3 n^3` flops per factorisation if dense, `O(n b^2)` with a band of width b after reordering. In two
    dimensions b grows with the side of the grid: from about 10,000 unknowns on take `GMRES`.

    Parameters
    ----------
    verify_sparsity
        Compare the compressed Jacobian with products of the exact one before every solve whose values are concrete, and
        raise `ValueError` naming an entry that the pattern lacks. Costs about a millisecond and a compilation.
    """

    verify_sparsity: bool = eqx.field(static=True, default=False)


class KLU(AbstractLinearSolver):
    """Factorise with a fill-reducing order by KLU, an optional package (LGPL; the extra `klu`). CPU, float64.

    For large sparse systems whose band stays wide after reordering, such as circuits and two-dimensional grids, where a
    method with few solves per factorisation is used. Needs `ODEProblem(sparsity=...)`.

    Cost: KLU orders and factors in every solve, because a compiled program cannot keep its factors; for a
    two-dimensional grid of 64 x 64 points with two species about half of what `Direct` takes to factorise, and
    seven times what that takes to solve.

    References
    ----------
    Davis & Palamadai Natarajan, Algorithm 907: KLU, ACM Trans. Math. Softw. 37 (2010).
    """


class GMRES(AbstractLinearSolver):
    """Newton-Krylov: solve by GMRES from products of the Jacobian with vectors, never forming it. For large systems.

    Linear systems inside a Newton iteration are solved to a hundredth of their right-hand side, or a tenth of what the
    iteration itself may leave; those of derivatives to `derivative_rtol`.

    Cost: per iteration one product (about two evaluations of the vector field), one application of the preconditioner
    and `8 j n` flops of orthogonalisation in iteration j. Memory: `restart` states. Without a good preconditioner the
    number of iterations grows with the stiffness. Use it with `BDF`, `TRBDF2` and `KenCarp4`; Rosenbrock methods need
    every linear system solved accurately, which costs several times as much.

    Parameters
    ----------
    preconditioner
        One of `sj.Jacobi()`, `sj.BlockJacobi(...)`, `sj.LineADI(...)`, ..., or a function `(t, y, shift, v)`, about
        `(shift I - df/dy)^-1 v`, linear in the vector v of shape (n,); y as the user's pytree. Those that read entries
        of the Jacobian need `ODEProblem(sparsity=...)`. None: no preconditioner.
    restart, max_iterations
        Dimension at which the Krylov space begins anew, and the limit for one linear system.
    derivative_rtol
        Relative tolerance of the linear systems of gradients.

    References
    ----------
    Brown & Hindmarsh, Reduced storage matrix methods in stiff ODE systems, Appl. Math. Comput. 31 (1989) 40-91. Saad &
    Schultz, GMRES, SIAM J. Sci. Stat. Comput. 7 (1986) 856-869.
    """

    preconditioner: Any = None
    restart: int = eqx.field(static=True, default=20)
    max_iterations: int = eqx.field(static=True, default=100)
    derivative_rtol: float = eqx.field(static=True, default=1e-8)

    def __init__(
        self,
        preconditioner: Any = None,
        *,
        restart: int = 20,
        max_iterations: int = 100,
        derivative_rtol: float = 1e-8,
    ):
        for value, name in ((restart, "restart"), (max_iterations, "max_iterations")):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                msg = f"`{name}` must be a positive integer; got {value!r}. Pass, for example, `{name}=20`."
                raise ValueError(msg)
        self.preconditioner = as_preconditioner(preconditioner)
        self.restart, self.max_iterations = restart, max_iterations
        self.derivative_rtol = float(derivative_rtol)


def checked_linear_solver(solver: Any) -> AbstractLinearSolver | None:
    """A linear solver, or None for the default; anything else is refused."""
    if solver is not None:
        check_instance(solver, AbstractLinearSolver, "linear_solver", "sj.Direct()")
    return solver
