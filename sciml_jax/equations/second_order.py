"""Initial value problems of second order: `d2y/dt2 = a(t, y, dy/dt, args)`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..core.callables import as_callable
from ..core.checks import check_finite_tree, check_inexact_tree
from ..core.tree import describe
from .derived_field import derived_field, underlying_function
from .problem import ODEProblem


class SecondOrderProblem(ODEProblem):
    """An initial value problem of second order, `d2y/dt2 = a(t, y, v, args)` with `v = dy/dt`, from `t0` to `t1`.

    It is the `ODEProblem` of the pair `(y, v)`, `d(y, v)/dt = (v, a)`: every method, adjoint and save option of those
    works on it, and states in solutions are pairs, `ys, vs = sol.ys`. Where `a` does not depend on `v`, the symplectic
    methods do too (`sj.VelocityVerlet`, `sj.Yoshida6`, `sj.KahanLi8`, ...).

    Parameters
    ----------
    acceleration
        `a(t, y, v, args) -> d2y/dt2`: `t` a scalar, `y`, `v` and the result pytrees of the same structure, shapes and
        dtypes. All four arguments are passed whether used or not. A function, an Equinox module or a
        `jax.tree_util.Partial`; it may close over traced values.
    y0, v0
        Initial position and velocity: pytrees of float or complex arrays with equal structure, shapes and dtypes
        (Python numbers take the dtype of their partner). The problem's own `y0` is the pair `(y0, v0)`.
    t0, t1
        The ends of the interval, real scalars; `t1 < t0` integrates backwards.
    args
        Any pytree, handed to the acceleration.

    Raises
    ------
    TypeError, ValueError
        For positions and velocities that do not match, integer states, `t0 == t1`, values that are not finite, or an
        acceleration that is not callable with four arguments.

    Notes
    -----
    A mass matrix belongs into the acceleration, as a solve with it. `problem.acceleration` is the function given.
    """

    def __init__(self, acceleration: Callable, y0: PyTree, v0: PyTree, t0: Any, t1: Any, args: PyTree = None):
        acceleration = as_callable(acceleration, "acceleration", "t", "y", "v", "args")
        super().__init__(
            derived_field(_position_and_velocity, acceleration), matched_pair(y0, v0, ("y0", "v0")), t0, t1, args
        )

    @property
    def acceleration(self) -> Callable:
        """The acceleration `a(t, y, v, args)`."""
        return underlying_function(self.vector_field)


def matched_pair(first: PyTree, second: PyTree, names: tuple[str, str]) -> tuple[PyTree, PyTree]:
    """Two halves of a state as arrays of one structure, shape and dtype; messages call them `names`."""
    for half, name in zip((first, second), names, strict=True):
        check_inexact_tree(half, name)
        check_finite_tree(half, name)
    leaves = [jax.tree_util.tree_flatten(half) for half in (first, second)]
    if leaves[0][1] != leaves[1][1] or any(jnp.shape(a) != jnp.shape(b) for a, b in zip(leaves[0][0], leaves[1][0])):
        msg = (
            f"`{names[0]}` and `{names[1]}` must have the same structure and shapes; got {describe(first)} and "
            f"{describe(second)}. Pass one `{names[1]}` for every `{names[0]}`, for example "
            f"`jax.tree.map(jnp.zeros_like, {names[0]})`."
        )
        raise ValueError(msg)
    pairs = [_same_dtype(a, b, names) for a, b in zip(leaves[0][0], leaves[1][0], strict=True)]
    treedef = leaves[0][1]
    return treedef.unflatten([a for a, _ in pairs]), treedef.unflatten([b for _, b in pairs])


def _same_dtype(a: Any, b: Any, names: tuple[str, str]) -> tuple:
    # Python numbers are weak: they take the dtype of the array that they are paired with.
    dtype = jnp.result_type(a, b)
    for leaf, other, name in ((a, b, names[0]), (b, a, names[1])):
        if getattr(leaf, "dtype", dtype) != dtype:
            msg = (
                f"`{names[0]}` and `{names[1]}` must have the same dtypes; got {describe(leaf)} in `{name}` beside "
                f"{describe(other)}. Convert one of them with `.astype(...)`."
            )
            raise TypeError(msg)
    return jnp.asarray(a, dtype), jnp.asarray(b, dtype)


def _position_and_velocity(acceleration: Callable, t: Any, state: tuple, args: PyTree) -> tuple:
    """`d(y, v)/dt`, with the acceleration checked against the position."""
    y, v = state
    a = acceleration(t, y, v, args)
    _check_acceleration(a, y)
    return v, a


def _check_acceleration(a: Any, y: Any) -> None:
    structures = [jax.tree_util.tree_structure(tree) for tree in (a, y)]
    shapes = [[jnp.shape(leaf) for leaf in jax.tree_util.tree_leaves(tree)] for tree in (a, y)]
    if structures[0] != structures[1] or shapes[0] != shapes[1]:
        msg = (
            f"`acceleration(t, y, v, args)` must return the structure and shapes of the position, {describe(y)}; got "
            f"{describe(a)}. Return one d2y/dt2 for every y."
        )
        raise ValueError(msg)
