"""The user's problem as the engine sees it: functions of tuples of arrays with every operand explicit."""

import copy
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...core.tree import describe
from ...numerics.batching import batch_native
from ...numerics.linear_solve import factorised_solver
from ...numerics.loops import vary_like
from .layout import Layout
from .norms import error_norm
from .traced import TracedFunction, use_components


class Linearisation(NamedTuple):
    """The vector field linearised at a point."""

    jacobian: Any
    """`df/dy`: an array of shape (n, n) over the concatenated leaves, or rows of scalars for components."""
    time_derivative: tuple | None
    """`df/dt`, as a tuple like the state; None where it is known to vanish."""

    def size(self) -> Any:
        """The maximum norm of the Jacobian, a bound of its spectral radius; no derivative."""
        if isinstance(self.jacobian, tuple):
            rows = [sum(jnp.abs(jnp.asarray(entry)) for entry in row) for row in self.jacobian]
            return lax.stop_gradient(functools.reduce(jnp.maximum, rows))
        return lax.stop_gradient(jnp.max(jnp.sum(jnp.abs(self.jacobian), axis=1)))

    def shifted_solver(self, shift: Any):
        """`solve(rhs)` for `(shift I - J) x = rhs`, with one factorisation."""
        if isinstance(self.jacobian, tuple):
            matrix = tuple(
                tuple((shift - entry) if i == j else -entry for j, entry in enumerate(row))
                for i, row in enumerate(self.jacobian)
            )
            return factorised_solver(matrix)
        size = self.jacobian.shape[0]
        dtype = self.jacobian.dtype
        solve = factorised_solver(shift.astype(dtype) * jnp.eye(size, dtype=dtype) - self.jacobian)
        return lambda rhs: split_like(solve(concatenate(rhs)), rhs)


class BoundSystem:
    """A system with its operands filled in: what a method's `step` receives."""

    def __init__(self, system: "System", theta: tuple, consts: tuple, rtol: Any, atol: Any):
        self._system = system
        self._operands = (theta, consts, rtol, atol)
        self._is_forward = False
        self._parts = system.parts(theta, consts)
        self._limits: tuple | None = None

    def within(self, ta: Any, tb: Any) -> "BoundSystem":
        """The system seen from inside the step: times at its ends are moved inwards by the smallest possible amount.

        A step that ends on a discontinuity must see its left limit there, and the next step its right limit.
        """
        self = copy.copy(self)
        # Frozen before nextafter, which has no derivative.
        start, end = lax.stop_gradient((ta, tb))
        inwards = [jnp.nextafter(a, b) - a for a, b in ((start, end), (end, start))]
        low, high = ta + inwards[0], tb + inwards[1]
        self._limits = (jnp.minimum(low, high), jnp.maximum(low, high))
        return self

    def running_forward(self) -> "BoundSystem":
        """The system in a loop that is not differentiated: a batch may then decide together what it computes."""
        self = copy.copy(self)
        self._is_forward = True
        return self

    def choose(self, is_rare: Any, rare: Callable, common: Callable, *args: Any) -> Any:
        """`rare(system, *args)` where `is_rare`, else `common(system, *args)`; only one of them is computed.

        In a batch the rare one is computed when some lane asks for it, and then for all lanes.
        """
        own = (*self._operands, self._limits)

        def bound(operands):
            system = BoundSystem(self._system, *operands[:4])
            system._limits, system._is_forward = operands[4], self._is_forward
            return system

        def one(function):
            # Inside shard_map both branches must vary alike.
            return lambda own, args: vary_like(function(bound(own), *args), own, args)

        def branch(is_rare, own, args):
            return lax.cond(is_rare, one(rare), one(common), own, args)

        def lanes(size, axes, is_rare, own, args):
            if axes[0] is None:
                return jax.vmap(branch, axes, axis_size=size)(is_rare, own, args)
            each = lambda function: jax.vmap(one(function), axes[1:], axis_size=size)

            def both(own, args):
                pick = lambda a, b: jnp.where(is_rare.reshape(-1, *(1 for _ in a.shape[1:])), a, b)
                return jax.tree_util.tree_map(pick, each(rare)(own, args), each(common)(own, args))

            return lax.cond(jnp.any(is_rare), both, each(common), own, args)

        return (batch_native(branch, lanes) if self._is_forward else branch)(is_rare, own, args)

    def _time(self, t: Any) -> Any:
        return t if self._limits is None else jnp.minimum(jnp.maximum(t, self._limits[0]), self._limits[1])

    def vector_field(self, t: Any, y: tuple) -> tuple:
        """The right-hand side at `(t, y)`."""
        return self._system.vector_field(*self._parts[0], self._time(t), y)

    def norm(self, values: tuple, y: tuple, y1: tuple) -> Any:
        """The root-mean-square of `values` relative to the tolerances over a step from `y` to `y1`; no derivative."""
        _, _, rtol, atol = self._operands
        return lax.stop_gradient(jnp.sqrt(error_norm(values, y, y1, rtol, atol)))

    def observe(self, t: Any, y: tuple) -> tuple:
        """What is saved at `(t, y)`: the state, or `SaveAt(fn=...)` of it."""
        system = self._system
        if system.saved_function is None:
            return y
        leaves = tuple(jax.tree_util.tree_leaves(system.layout.merge(y)))
        return system.saved_function(*self._parts[1], t, leaves)

    def spectral_radius(self, t: Any, y: tuple) -> Any:
        """The user's bound of the Jacobian's spectral radius at `(t, y)`, where the method has such a function."""
        return self._system.spectral_radius(*self._parts[3], self._time(t), y)[0]

    def linearise(self, t: Any, y: tuple) -> Linearisation:
        """The Jacobian and the time derivative at `(t, y)`."""
        out = self._system.derivatives(*self._parts[2], self._time(t), y)
        if not self._system.layout.components:
            jacobian, time_derivative = out
            return Linearisation(jacobian, split_like(time_derivative, y))
        size = len(y)
        rows = tuple(tuple(out[size * i : size * (i + 1)]) for i in range(size))
        in_time = out[size * size :]
        # Entries that are known while tracing are NumPy scalars: an autonomous problem shows here.
        autonomous = all(isinstance(entry, np.generic) and entry == 0 for entry in in_time)
        return Linearisation(rows, None if autonomous else in_time)


class System:
    """The vector field, its derivatives and what is saved, as functions of flat operands.

    Parameters
    ----------
    problem
        The problem.
    saved_function
        `SaveAt(fn=...)`, or None.
    t0
        An example of a time.
    method
        The method: whether it needs derivatives, and how many evaluations a step has.
    """

    def __init__(self, problem: Any, saved_function: Any, t0: Any, method: Any):
        args, y0 = problem.args, problem.y0
        leaves = jax.tree_util.tree_leaves(y0)
        traced = TracedFunction(problem.vector_field, t0, y0, args)
        check_vector_field(traced.out_shape, y0)
        derivatives = _derivatives(problem, t0, y0) if method.is_implicit else None
        components = use_components(traced, derivatives, leaves, method.evaluations_per_step)
        self.layout = Layout(y0, components)
        dtypes = tuple(leaf.dtype for leaf in leaves)
        self.vector_field = traced.with_layout(components, leaves, dtypes)
        self.derivatives: Any = derivatives and derivatives.with_layout(
            components, leaves, None, fold_zero_products=True
        )
        self.saved_function, self.saved_layout = None, self.layout
        if saved_function is not None:
            saved = TracedFunction(saved_function, t0, y0, args)
            _check_saved(saved.out_shape)
            self.saved_function = saved.with_layout(False, leaves, None)
            self.saved_layout = Layout(saved.out_shape)
        radius = getattr(method, "spectral_radius", None)
        self.spectral_radius: Any = None
        if callable(radius):
            bound = TracedFunction(radius, t0, y0, args)
            _check_radius(bound.out_shape)
            self.spectral_radius = bound.with_layout(components, leaves, None)
        functions = self._functions()
        self._counts = [(len(f.theta), len(f.consts)) if f is not None else (0, 0) for f in functions]
        self.theta = tuple(leaf for f in functions if f is not None for leaf in f.theta)
        self.raw_theta = tuple(leaf for f in functions if f is not None for leaf in f.raw_theta)
        self.theta_groups = tuple(size for f in functions if f is not None for size in f.groups)
        self.theta_shapes = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in self.raw_theta)
        self.consts = tuple(leaf for f in functions if f is not None for leaf in f.consts)

    def release(self) -> tuple[tuple, tuple]:
        """Hand over the operands' values and keep their shapes only, lest the system keep an outer trace alive.

        The inexact ones come whole; `engine/whole.py` takes them apart where they are to be scalars.
        """
        theta, consts = self.raw_theta, self.consts
        self.theta = self.raw_theta = self.consts = ()
        for function in self._functions():
            if function is not None:
                function.forget_values()
        return theta, consts

    def _functions(self) -> tuple:
        return self.vector_field, self.saved_function, self.derivatives, self.spectral_radius

    def bind(self, theta: tuple, consts: tuple, rtol: Any = None, atol: Any = None) -> BoundSystem:
        """Fill in the operands, and the tolerances for methods that look at them."""
        return BoundSystem(self, theta, consts, rtol, atol)

    def parts(self, theta: tuple, consts: tuple) -> list[tuple[tuple, tuple]]:
        """The operands of the vector field, the saved function, the derivatives and the spectral radius."""
        parts, i, j = [], 0, 0
        for num_theta, num_consts in self._counts:
            parts.append((theta[i : i + num_theta], consts[j : j + num_consts]))
            i, j = i + num_theta, j + num_consts
        return parts


def _derivatives(problem: Any, t0: Any, y0: Any) -> TracedFunction:
    """`(t, y, bundle) -> (df/dy, df/dt)`, a matrix and a vector over the concatenated leaves of the state.

    The bundle holds the user's functions beside the arguments, because the arrays inside them must be operands too.
    """
    leaves, tree = jax.tree_util.tree_flatten(y0)
    dtype = jnp.result_type(*leaves)

    def derivatives(t, y, bundle):
        vector_field, jacobian, args = bundle

        def flat_field(t, flat):
            y = jax.tree_util.tree_unflatten(tree, split_like(flat, tuple(leaves)))
            return concatenate(jax.tree_util.tree_leaves(vector_field(t, y, args))).astype(dtype)

        flat = concatenate(jax.tree_util.tree_leaves(y))
        if jacobian is None:
            matrix = jax.jacfwd(flat_field, argnums=1)(t, flat)
        else:
            matrix = jacobian(t, y, args)
            _check_jacobian(matrix, y0)
        return matrix.astype(dtype), jax.jvp(lambda t: flat_field(t, flat), (t,), (jnp.ones_like(t),))[1]

    return TracedFunction(derivatives, t0, y0, (problem.vector_field, problem.jacobian, problem.args))


def concatenate(leaves: Sequence[Any]) -> Any:
    """All leaves as one vector."""
    return jnp.concatenate([jnp.ravel(leaf) for leaf in leaves]) if len(leaves) > 1 else jnp.ravel(leaves[0])


def split_like(vector: Any, leaves: tuple) -> tuple:
    """Undo `concatenate`, with the shapes and dtypes of `leaves`."""
    parts, start = [], 0
    for leaf in leaves:
        size = int(np.prod(leaf.shape))
        parts.append(lax.slice(vector, (start,), (start + size,)).reshape(leaf.shape).astype(leaf.dtype))
        start += size
    return tuple(parts)


def check_vector_field(out: Any, y0: Any) -> None:
    """Refuse a vector field whose result does not have the structure, shapes and dtypes of the state."""
    same_tree = jax.tree_util.tree_structure(out) == jax.tree_util.tree_structure(y0)
    pairs = zip(jax.tree_util.tree_leaves(out), jax.tree_util.tree_leaves(y0), strict=False)
    if not same_tree or any(a.shape != b.shape for a, b in pairs):
        msg = (
            "`vector_field(t, y, args)` must return a pytree with the structure and shapes of the state; got "
            f"{describe(out)} for a state of {describe(y0)}. Return one derivative for each number of the state."
        )
        raise ValueError(msg)
    for a, b in zip(jax.tree_util.tree_leaves(out), jax.tree_util.tree_leaves(y0), strict=True):
        if jnp.promote_types(a.dtype, b.dtype) != b.dtype:
            msg = (
                f"`vector_field(t, y, args)` must return the dtype of the state, {b.dtype}; got {a.dtype}. "
                f"Convert `y0` (and `args`) to {jnp.promote_types(a.dtype, b.dtype)}, or the result to {b.dtype}."
            )
            raise TypeError(msg)


def _check_saved(out: Any) -> None:
    for leaf in jax.tree_util.tree_leaves(out):
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            msg = (
                "`SaveAt(fn=...)` must return float or complex arrays, because what is not reached is filled with NaN; "
                f"got {describe(out)}. Convert the result with `.astype(float)`."
            )
            raise TypeError(msg)


def _check_radius(out: Any) -> None:
    if getattr(out, "shape", None) != () or not jnp.issubdtype(out.dtype, jnp.floating):
        msg = (
            f"`spectral_radius(t, y, args)` must return a real scalar; got {describe(out)}. "
            "Return one bound for the whole state, for example `jnp.max(...)`."
        )
        raise ValueError(msg)


def _check_jacobian(out: Any, y0: Any) -> None:
    size = sum(leaf.size for leaf in jax.tree_util.tree_leaves(y0))
    shape = getattr(out, "shape", None)
    if shape != (size, size):
        msg = (
            f"`jacobian(t, y, args)` must return an array of shape ({size}, {size}) for a state of {describe(y0)}; got "
            f"{describe(out)}. Row i holds the derivatives of component i."
        )
        raise ValueError(msg)
