"""The user's problem as the engine sees it: functions of tuples of arrays with every operand explicit."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...core.callables import Hoisted
from ...core.tree import describe, is_inexact
from ...numerics.linear_solve import factorised_solver
from .layout import Layout


class TracedFunction:
    """A function `(t, y, args)` traced once, to be evaluated on flat operands `(theta, consts, t, y)`.

    `args` and the function's own arrays are operands; so is whatever it closes over.
    """

    def __init__(self, function: Any, t: Any, y: Any, args: Any, out_dtypes: tuple | None = None):
        self._out_dtypes = out_dtypes
        dynamic, static = jax.tree_util.tree_flatten((function, args))
        is_array = [hasattr(leaf, "dtype") and hasattr(leaf, "shape") for leaf in dynamic]
        y_leaves, y_tree = jax.tree_util.tree_flatten(y)
        arrays = [leaf for leaf, keep in zip(dynamic, is_array, strict=True) if keep]
        others = [None if keep else leaf for leaf, keep in zip(dynamic, is_array, strict=True)]

        def call(arrays, t, *y_leaves):
            supply = iter(arrays)
            leaves = [next(supply) if keep else other for keep, other in zip(is_array, others, strict=True)]
            fn, fn_args = jax.tree_util.tree_unflatten(static, leaves)
            return fn(t, jax.tree_util.tree_unflatten(y_tree, y_leaves), fn_args)

        self.hoisted = Hoisted(call, arrays, t, *y_leaves)
        operands = [*self.hoisted.consts, *arrays]
        self.num_consts = len(self.hoisted.consts)
        self.is_theta = [is_inexact(leaf) for leaf in operands]
        self.theta = tuple(leaf for leaf, keep in zip(operands, self.is_theta, strict=True) if keep)
        self.consts = tuple(leaf for leaf, keep in zip(operands, self.is_theta, strict=True) if not keep)

    @property
    def out_shape(self) -> Any:
        """The pytree of shapes and dtypes that the function returns."""
        return self.hoisted.out_shape

    def __call__(self, theta: tuple, consts: tuple, t: Any, y: tuple) -> tuple:
        """Evaluate on the leaves of the state; returns the leaves of the result."""
        inexact, others = iter(theta), iter(consts)
        operands = [next(inexact) if keep else next(others) for keep in self.is_theta]
        out = self.hoisted.flat(tuple(operands[: self.num_consts]), *operands[self.num_consts :], t, *y)
        if self._out_dtypes is None:
            return out
        return tuple(leaf.astype(dtype) for leaf, dtype in zip(out, self._out_dtypes, strict=True))


class Linearisation(NamedTuple):
    """The vector field linearised at a point."""

    jacobian: Any
    """`df/dy`: an array of shape (n, n) over the concatenated leaves, or rows of scalars for components."""
    time_derivative: tuple | None
    """`df/dt`, as a tuple like the state; None where it is known to vanish."""

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

    def __init__(self, system: "System", theta: tuple, consts: tuple):
        self._system = system
        self._theta = theta
        self._consts = consts

    def vector_field(self, t: Any, y: tuple) -> tuple:
        """The right-hand side at `(t, y)`."""
        theta, consts = self._system.split(self._theta, self._consts)[0]
        return self._system.vector_field(theta, consts, t, y)

    def observe(self, t: Any, y: tuple) -> tuple:
        """What is saved at `(t, y)`: the state, or `SaveAt(fn=...)` of it."""
        if self._system.saved_function is None:
            return y
        theta, consts = self._system.split(self._theta, self._consts)[1]
        return self._system.saved_function(theta, consts, t, y)

    def linearise(self, t: Any, y: tuple) -> Linearisation:
        """The Jacobian and the time derivative at `(t, y)`."""
        if self._system.jacobian is not None:
            theta, consts = self._system.split(self._theta, self._consts)[2]
            (jacobian,) = self._system.jacobian(theta, consts, t, y)
            time_derivative = jax.jvp(lambda t: self.vector_field(t, y), (t,), (jnp.ones_like(t),))[1]
            return Linearisation(jacobian, time_derivative)
        flat = concatenate(y)
        # One batch of directions: every unit vector of the state, and time.
        size = flat.shape[0]
        directions = jnp.eye(size + 1, size, dtype=flat.dtype)
        in_time = jnp.zeros(size + 1, t.dtype).at[size].set(1.0)

        def derivative(direction, time_direction):
            tangents = (time_direction, split_like(direction, y))
            return concatenate(jax.jvp(self.vector_field, (t, y), tangents)[1])

        columns = jax.vmap(derivative)(directions, in_time)
        return Linearisation(columns[:size].T, split_like(columns[size], y))


class System:
    """The vector field and what is saved, as functions of flat operands."""

    def __init__(self, problem: Any, saved_function: Any, t0: Any, use_jacobian: bool):
        args, y0 = problem.args, problem.y0
        dtypes = tuple(leaf.dtype for leaf in jax.tree_util.tree_leaves(y0))
        self.vector_field = TracedFunction(problem.vector_field, t0, y0, args, dtypes)
        _check_vector_field(self.vector_field.out_shape, y0)
        functions = [self.vector_field]
        self.saved_function = None
        self.jacobian = None
        if saved_function is not None:
            self.saved_function = TracedFunction(saved_function, t0, y0, args)
            _check_saved(self.saved_function.out_shape)
        if use_jacobian:
            self.jacobian = TracedFunction(problem.jacobian, t0, y0, args)
            _check_jacobian(self.jacobian.out_shape, y0)
        for function in (self.saved_function, self.jacobian):
            functions.append(function)
        self._counts = [(len(f.theta), len(f.consts)) if f is not None else (0, 0) for f in functions]
        self.theta = tuple(leaf for f in functions if f is not None for leaf in f.theta)
        self.consts = tuple(leaf for f in functions if f is not None for leaf in f.consts)
        self.layout = Layout(y0)
        self.saved_layout = self.layout if saved_function is None else Layout(self.saved_function.out_shape)

    def bind(self, theta: tuple, consts: tuple) -> BoundSystem:
        """Fill in the operands."""
        return BoundSystem(self, theta, consts)

    def split(self, theta: tuple, consts: tuple) -> list[tuple[tuple, tuple]]:
        """The operands of the vector field, of the saved function and of the Jacobian."""
        parts, i, j = [], 0, 0
        for num_theta, num_consts in self._counts:
            parts.append((theta[i : i + num_theta], consts[j : j + num_consts]))
            i, j = i + num_theta, j + num_consts
        return parts


def concatenate(leaves: tuple) -> Any:
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


def _check_vector_field(out: Any, y0: Any) -> None:
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
                f"`vector_field(t, y, args)` must return the dtype of the state; got {a.dtype} for a state of {b.dtype}. "
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


def _check_jacobian(out: Any, y0: Any) -> None:
    size = sum(leaf.size for leaf in jax.tree_util.tree_leaves(y0))
    shape = getattr(out, "shape", None)
    if shape != (size, size):
        msg = (
            f"`jacobian(t, y, args)` must return an array of shape ({size}, {size}) for a state of {describe(y0)}; got "
            f"{describe(out)}. Row i holds the derivatives of component i."
        )
        raise ValueError(msg)
