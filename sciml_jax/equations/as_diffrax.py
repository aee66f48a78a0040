"""Our one-step methods as Diffrax solvers: `diffrax.diffeqsolve(..., solver=sj.as_diffrax(sj.Rodas5P()))`."""

from typing import Any, ClassVar

import diffrax
import jax
import jax.numpy as jnp
from jax import lax

from ..core.checks import check_instance
from ..core.tree import Static
from ..numerics.linear_solve import factorised_solver
from .engine.flat import concatenate, split_like
from .engine.linearisation import Linearisation
from .methods.one_step import AbstractOneStepMethod
from .problem import ODEProblem

MAX_UNROLLED = 8
"""Numbers of a state up to which the linear systems of an implicit method are written out."""


def as_diffrax(method: AbstractOneStepMethod) -> "OneStepSolver":
    """One of our one-step methods as a Diffrax solver.

    Parameters
    ----------
    method
        A method for `ODEProblem`, such as `sj.Rodas5P()`.

    Returns
    -------
    OneStepSolver
        For `diffrax.diffeqsolve(diffrax.ODETerm(f), solver, ...)` with any step-size controller, adjoint, `SaveAt` and
        event of Diffrax; a method without an error estimate wants `diffrax.ConstantStepSize()`.

    Raises
    ------
    TypeError
        If `method` is not a one-step method; when solving, if the term is not one `diffrax.ODETerm`.

    Notes
    -----
    Same tableau, error estimate and dense output as in `sj.solve`, inside Diffrax's loop: for programs that are built
    around `diffeqsolve`. Speed, derivatives and failures are Diffrax's; `sj.solve` is several times faster, and works
    in `shard_map`. Diffrax's controller differs from ours, so steps differ. An implicit method forms the Jacobian in
    forward mode, shape (n, n).
    """
    check_instance(method, AbstractOneStepMethod, "method", "sj.Rodas5P()")
    if ODEProblem not in method.problem_types:
        names = ", ".join(kind.__name__ for kind in method.problem_types)
        msg = (
            f"`as_diffrax` takes methods for `ODEProblem`; got `{method.name}`, which solves {names}. Use `sj.solve`, "
            "or choose a method such as `sj.Tsit5()`."
        )
        raise TypeError(msg)
    if method.carries_memory:
        msg = (
            f"`as_diffrax` takes methods that need the last state only; got `{method.name}`, which carries earlier "
            "steps along. Use `sj.solve`, or choose a method such as `sj.Tsit5()`."
        )
        raise TypeError(msg)
    if method.needs_split:
        msg = (
            f"`as_diffrax` takes methods for any vector field; got `{method.name}`, which needs an `sj.Split`. Use "
            "`sj.solve`, or choose a method such as `sj.Rodas5P()`."
        )
        raise TypeError(msg)
    return OneStepSolver(method) if method.error_order is None else AdaptiveOneStepSolver(method)


class OneStepSolver(diffrax.AbstractSolver):
    """A one-step method in Diffrax's protocol; `as_diffrax` makes it."""

    method: AbstractOneStepMethod

    term_structure: ClassVar = diffrax.AbstractTerm

    @property
    def interpolation_cls(self) -> Any:
        """What turns the data of a step into its interpolant."""
        return _Interpolation(self.method)

    def order(self, terms: Any) -> int:
        """Order of the solution."""
        del terms
        return self.method.order

    def error_order(self, terms: Any) -> int | None:
        """The error estimate behaves as this power of the step size."""
        del terms
        return self.method.error_order

    def init(self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any) -> tuple | None:
        """The first evaluation of the vector field, for methods that hand the last one of a step on."""
        del t1
        _check_terms(terms, self.method)
        if self.method.is_implicit and any(jnp.iscomplexobj(leaf) for leaf in _leaves(y0)):
            msg = (
                f"`{self.method.name}` needs a real state, because its Jacobian is real; got a complex leaf. "
                "Split it into real and imaginary parts."
            )
            raise ValueError(msg)
        return _TermSystem(terms, y0, args).vector_field(t0, _leaves(y0)) if self.method.carries_f0 else None

    def step(
        self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any, solver_state: tuple | None, made_jump: Any
    ) -> tuple[Any, Any, dict, tuple | None, Any]:
        """One step from `t0` to `t1`: the state, the error estimate, what interpolates, what is handed on."""
        system = _TermSystem(terms, y0, args)
        leaves, f0 = _leaves(y0), solver_state
        if f0 is not None and made_jump is not False:
            f0 = lax.cond(made_jump, lambda _: system.vector_field(t0, leaves), lambda carried: carried, f0)
        step = self.method.step(system, t0, t1, leaves, f0)
        dense = self.method.complete(system, t0, t1, step.dense)
        merge = jax.tree_util.tree_structure(y0).unflatten
        error = None if step.error is None else merge(step.error)
        f1 = step.f1 if self.method.carries_f0 else None
        return merge(step.y1), error, {"y0": y0, "dense": dense}, f1, diffrax.RESULTS.successful

    def func(self, terms: Any, t0: Any, y0: Any, args: Any) -> Any:
        """The vector field, for Diffrax's guess of the first step and its steady-state event."""
        return terms.vf(t0, y0, args)


class AdaptiveOneStepSolver(OneStepSolver, diffrax.AbstractAdaptiveSolver):
    """A one-step method with an error estimate in Diffrax's protocol; `as_diffrax` makes it."""


class _Interpolation:
    """Makes the interpolant of a step; compared by the method, because Diffrax keeps it as static."""

    def __init__(self, method: AbstractOneStepMethod):
        self.method = method
        self._key = Static(method)

    def __call__(self, *, t0: Any, t1: Any, y0: Any, dense: Any) -> "_Piece":
        return _Piece(t0, t1, y0, dense, self.method)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Interpolation) and self._key == other._key


class _Piece(diffrax.AbstractLocalInterpolation):
    """The method's dense output over one step."""

    t0: Any
    t1: Any
    y0: Any
    dense: Any
    method: Any

    def evaluate(self, t0: Any, t1: Any = None, left: bool = True) -> Any:
        """The state at `t0`, or its increment from `t0` to `t1`."""
        del left
        if t1 is not None:
            start, end = self.evaluate(t0), self.evaluate(t1)
            return jax.tree_util.tree_map(lambda a, b: b - a, start, end)
        # Diffrax asks for the interpolant of an empty step, too.
        empty = self.t0 == self.t1
        length = jnp.where(empty, 1, self.t1 - self.t0)
        leaves = self.method.interpolate(self.dense, jnp.where(empty, 0, (t0 - self.t0) / length))
        return jax.tree_util.tree_structure(self.y0).unflatten(leaves)


class _TermSystem:
    """A Diffrax term as the system that a method's `step` expects, on the leaves of the state."""

    def __init__(self, terms: Any, y: Any, args: Any):
        self._terms, self._args = terms, args
        self._structure = jax.tree_util.tree_structure(y)
        self._dtypes = [leaf.dtype for leaf in _leaves(y)]

    def vector_field(self, t: Any, y: tuple) -> tuple:
        """The right-hand side at `(t, y)`."""
        slope = self._terms.vf(t, self._structure.unflatten(y), self._args)
        # Time is mirrored when Diffrax integrates backwards: the control says which way it runs.
        t = jnp.asarray(t)
        rate = self._terms.prod(slope, self._terms.contr(jnp.zeros_like(t), jnp.ones_like(t)))
        return tuple(jnp.asarray(a, d) for a, d in zip(_leaves(rate), self._dtypes, strict=True))

    def linearise(self, t: Any, y: tuple) -> Linearisation:
        """The Jacobian and the time derivative at `(t, y)`, by forward mode."""
        flat, t = concatenate(y), jnp.asarray(t)
        field = lambda t, flat: concatenate(self.vector_field(t, split_like(flat, y)))
        jacobian = jax.jacfwd(field, argnums=1)(t, flat)
        rate = jax.jvp(lambda t: field(t, flat), (t,), (jnp.ones_like(t),))[1]
        kind = _UnrolledLinearisation if flat.shape[0] <= MAX_UNROLLED else Linearisation
        return kind(jacobian.astype(flat.dtype), split_like(rate, y))


class _UnrolledLinearisation(Linearisation):
    """A small linearisation, whose systems are solved without a loop."""

    def shifted_solver(self, shift: Any) -> Any:
        """`solve(rhs)` for `(shift I - J) x = rhs`."""
        size, dtype = self.jacobian.shape[0], self.jacobian.dtype
        shifted = shift.astype(dtype) * jnp.eye(size, dtype=dtype) - self.jacobian
        solve = factorised_solver(tuple(tuple(shifted[i, j] for j in range(size)) for i in range(size)))

        def on_leaves(rhs):
            flat = concatenate(rhs)
            return split_like(jnp.stack(solve(tuple(flat[i] for i in range(size)))), rhs)

        return on_leaves


def _leaves(tree: Any) -> tuple:
    return tuple(jax.tree_util.tree_leaves(tree))


def _check_terms(terms: Any, method: AbstractOneStepMethod) -> None:
    # Diffrax wraps the term to mirror time, in a class that it does not export.
    inner = getattr(terms, "term", terms)
    if not isinstance(inner, diffrax.ODETerm):
        msg = (
            f"`sj.as_diffrax(sj.{method.name}())` solves ordinary differential equations: one `diffrax.ODETerm`; got "
            f"`{type(inner).__name__}`. For several terms or noise choose one of Diffrax's own solvers."
        )
        raise TypeError(msg)
