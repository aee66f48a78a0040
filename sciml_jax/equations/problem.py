"""Initial value problems for ordinary differential equations."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..core.callables import as_callable
from ..core.checks import check_finite_tree, check_inexact_tree, check_interval
from ..numerics.sparsity_sources import as_sparsity_pattern
from .mass_matrix import check_mass_matrix


class ODEProblem(eqx.Module):
    """An initial value problem, `dy/dt = f(t, y, args)` with `y(t0) = y0`, on the interval from `t0` to `t1`.

    Parameters
    ----------
    vector_field
        `f(t, y, args) -> dy/dt`: `t` a scalar, `y` and the result pytrees of the same structure, shapes and dtypes. A
        function, an Equinox module or a `jax.tree_util.Partial`; it may close over traced values.
    y0
        Initial state: any pytree of float or complex arrays (Python floats become arrays).
    t0, t1
        The ends of the interval, real scalars; `t1 < t0` integrates backwards.
    args
        Any pytree, handed to the vector field: parameters, networks, functions. Arrays and floats can change without
        compiling again; integers, booleans and strings are part of the program.
    mass_matrix, jacobian, sparsity
        `M` in `M dy/dt = f`, constant, shape (n, n) or its diagonal (n,) for a flat state of n numbers; it may be
        singular, which makes rows of `f` algebraic equations. A function `(t, y, args) -> df/dy` of shape (n, n). The
        pattern of that Jacobian. What a method does not support it refuses by name.

    Raises
    ------
    TypeError, ValueError
        For integer states, `t0 == t1`, values that are not finite, or a vector field that is not callable.

    Notes
    -----
    With a singular M the index must be one (a method may say that it takes two), and `y0` is checked before the first
    step, not changed: silently moved values would hide mistakes, and which to move is yours to say. A solve ends
    with `Status.INCONSISTENT` where a Newton correction of the algebraic equations exceeds ten tolerances of some
    variable, and with `Status.SINGULAR` where they leave one open; `sj.find_consistent(problem)` solves for the
    algebraic variables. The check takes one Jacobian and one factorisation, which `stats` does not count. Beyond a
    hundred unknowns only rows of zeros count as algebraic equations, and with `sj.GMRES` nothing is checked.

    A frozen pytree: it can be an argument of `jit`, `vmap` and `grad`, and be changed with `equinox.tree_at`.
    """

    vector_field: Callable
    y0: PyTree
    t0: Any
    t1: Any
    args: PyTree
    mass_matrix: Any
    jacobian: Callable | None
    sparsity: Any

    def __init__(
        self,
        vector_field: Callable,
        y0: PyTree,
        t0: Any,
        t1: Any,
        args: PyTree = None,
        *,
        mass_matrix: Any = None,
        jacobian: Callable | None = None,
        sparsity: Any = None,
    ):
        check_inexact_tree(y0, "y0")
        check_finite_tree(y0, "y0")
        check_interval(t0, t1)
        self.vector_field = as_callable(vector_field, "vector_field", "t", "y", "args")
        self.y0 = jax.tree_util.tree_map(jnp.asarray, y0)
        # Times are operands of the compiled program; Python integers would be part of it.
        self.t0 = float(t0) if isinstance(t0, int) else t0
        self.t1 = float(t1) if isinstance(t1, int) else t1
        self.args = args
        if mass_matrix is not None:
            mass_matrix = mass_matrix if hasattr(mass_matrix, "dtype") else jnp.asarray(mass_matrix)
            check_mass_matrix(mass_matrix, self.y0)
        self.mass_matrix = mass_matrix
        self.jacobian = None if jacobian is None else as_callable(jacobian, "jacobian", "t", "y", "args")
        size = sum(leaf.size for leaf in jax.tree_util.tree_leaves(self.y0))
        self.sparsity = None if sparsity is None else as_sparsity_pattern(sparsity, (size, size))

    def default_method(self) -> Any:
        """The method behind `method=None`: `AutoSwitch`, which changes to a stiff method where the problem is stiff.

        With a mass matrix `Rodas5P`, or `BDF` beyond a hundred unknowns.
        """
        # Methods name the problems that they solve, so they import this module.
        if self.mass_matrix is not None:
            from .methods.bdf import BDF
            from .methods.rodas5p import Rodas5P

            size = sum(jnp.size(leaf) for leaf in jax.tree_util.tree_leaves(self.y0))
            return Rodas5P() if size <= 100 else BDF()
        from .methods.auto_switch import AutoSwitch

        return AutoSwitch()
