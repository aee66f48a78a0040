"""The user's functions traced once, to be evaluated on explicit operands, on arrays or component by component."""

import copy
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...core.tree import is_inexact
from ...numerics.components import Components, contains_large_dot, count_scalar_operations, evaluate, unpack
from ...numerics.components.count import MAX_SIZE
from ...numerics.hoist import Hoisted

MAX_SCALAR_OPERATIONS = 1500
"""Scalar operations of the user's functions in one step up to which a state is held as components.

Compile time grows with it: at this size a step compiles in about two seconds.
"""

MAX_IMPLICIT_COMPONENTS = 8
"""Numbers of a state up to which an implicit method holds it as components.

Its linear systems are then unrolled (Robertson: half the time of a solve, a quarter of that of a gradient); beyond
eight the unrolled factorisation takes too long to compile.
"""

MAX_EXPLICIT_COMPONENTS = 16
"""The same for an explicit method, whose batches take about half the time so (Lorenz, gradients of 640 lanes)."""

MAX_COMPONENT_JACOBIAN = 2048
"""Numbers of an intermediate result up to which a Jacobian known to be sparse is written out."""

MAX_MATRIX_SIZE = 16
"""Entries of a matrix in the vector field up to which it is written out."""

MAX_OPERAND_SIZE = 32
"""Operands (parameters) up to this size are taken apart too; larger ones stay arrays."""


class TracedFunction:
    """A function `(t, y, args)` traced once, to be evaluated as `(theta, consts, t, y) -> leaves`.

    `theta` are its inexact operands and `consts` the others: the arrays in `args`, the function's own arrays, and
    whatever it closes over.
    """

    def __init__(self, function: Any, t: Any, y: Any, args: Any):
        leaves, treedef = jax.tree_util.tree_flatten((function, args))
        is_array = [hasattr(leaf, "dtype") and hasattr(leaf, "shape") for leaf in leaves]
        arrays = [leaf for leaf, keep in zip(leaves, is_array, strict=True) if keep]
        others = [None if keep else leaf for leaf, keep in zip(leaves, is_array, strict=True)]
        y_leaves, y_tree = jax.tree_util.tree_flatten(y)

        def call(arrays, t, *y_leaves):
            supply = iter(arrays)
            filled = [next(supply) if keep else other for keep, other in zip(is_array, others, strict=True)]
            fn, fn_args = jax.tree_util.tree_unflatten(treedef, filled)
            return fn(t, jax.tree_util.tree_unflatten(y_tree, y_leaves), fn_args)

        self._hoisted = Hoisted(call, arrays, t, *y_leaves)
        self.jaxpr = self._hoisted.jaxpr
        self.out_shape = self._hoisted.out_shape
        self._operands = [*self._hoisted.consts, *arrays]
        self._components = False

    def with_layout(
        self,
        components: bool,
        y_leaves: list,
        dtypes: tuple | None,
        fold_zero_products: bool = False,
        max_size: int = MAX_SIZE,
    ):
        """The function for a state held as leaves or as components; results are cast to `dtypes`, one per leaf.

        Components: what has more than `max_size` numbers stays an array.
        """
        self = copy.copy(self)
        self._max_size = max_size
        self._components = components
        self._y_shapes = [(leaf.shape, leaf.dtype) for leaf in y_leaves]
        self._dtypes = dtypes
        self._fold = fold_zero_products
        self._kinds = [_kind(operand, components) for operand in self._operands]
        pairs = list(zip(self._operands, self._kinds, strict=True))
        self.raw_theta = tuple(operand for operand, kind in pairs if kind != "const")
        self.theta = tuple(entry for operand, kind in pairs if kind != "const" for entry in _taken_apart(operand, kind))
        self.consts = tuple(operand for operand, kind in pairs if kind == "const")
        return self

    def with_vector_loops(self) -> "TracedFunction":
        """The function for loops that are one kernel, on arrays; see `numerics/vector_loops.py`."""
        if self._components:
            return self
        self = copy.copy(self)
        self._hoisted = self._hoisted.with_vector_loops()
        return self

    def __call__(self, theta: tuple, consts: tuple, t: Any, y: tuple) -> tuple:
        """Evaluate; `y` and the results are tuples of leaves or of components."""
        operands = self._assemble(theta, consts)
        if not self._components:
            out = self._hoisted(*operands, t, *y)
            return (
                out
                if self._dtypes is None
                else tuple(_cast(leaf, d) for leaf, d in zip(out, self._dtypes, strict=True))
            )
        state = _grouped(y, self._y_shapes)
        out = evaluate(self.jaxpr, *operands, t, *state, fold_zero_products=self._fold, max_size=self._max_size)
        entries = []
        for i, leaf in enumerate(out):
            parts = (leaf if isinstance(leaf, Components) else unpack(leaf)).entries.reshape(-1)
            entries += [part if self._dtypes is None else _cast(part, self._dtypes[i]) for part in parts]
        return tuple(entries)

    @property
    def operands(self) -> list:
        """What the traced program takes before time and state, in its order."""
        return list(self._operands)

    def assembled(self, theta: tuple, consts: tuple) -> list:
        """The same from the two groups of operands."""
        return self._assemble(theta, consts)

    @property
    def groups(self) -> list[int | None]:
        """For each inexact operand, into how many scalars it is taken apart; None if it stays an array."""
        kinds = [(x, kind) for x, kind in zip(self._operands, self._kinds, strict=True) if kind != "const"]
        return [int(np.prod(x.shape)) if kind == "scalars" else None for x, kind in kinds]

    @property
    def num_captured(self) -> tuple[int, int]:
        """How many inexact operands come from closures, taken apart and whole; they are in front of all others."""
        kinds = list(zip(self._operands, self._kinds, strict=True))[: len(self._hoisted.consts)]
        inexact = [(x, kind) for x, kind in kinds if kind != "const"]
        return sum(int(np.prod(x.shape)) if kind == "scalars" else 1 for x, kind in inexact), len(inexact)

    def forget_values(self) -> None:
        """Drop the operands' values; evaluation needs their shapes only."""
        self.theta = self.raw_theta = self.consts = ()
        self._operands = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in self._operands]
        self._hoisted = copy.copy(self._hoisted)
        self._hoisted.consts = ()

    def _assemble(self, theta: tuple, consts: tuple) -> list:
        """The operands in the order of the program, small ones as components again."""
        inexact, others = iter(theta), iter(consts)
        operands = []
        for operand, kind in zip(self._operands, self._kinds, strict=True):
            if kind == "const":
                operands.append(next(others))
            elif kind == "array":
                operands.append(next(inexact))
            else:
                size = int(np.prod(operand.shape))
                operands.append(_group([next(inexact) for _ in range(size)], operand.shape, operand.dtype))
        return operands


def use_components(field: TracedFunction, derivatives: TracedFunction | None, leaves: list, stages: int) -> bool:
    """Whether to hold the state as components: it is small, and its step written out stays short to compile."""
    size = sum(leaf.size for leaf in leaves)
    largest = MAX_EXPLICIT_COMPONENTS if derivatives is None else MAX_IMPLICIT_COMPONENTS
    if size > largest or any(leaf.size == 0 for leaf in leaves) or len({leaf.dtype for leaf in leaves}) > 1:
        return False
    # A network, however small: written out, its derivatives with respect to the weights take minutes to compile.
    if contains_large_dot(field.jaxpr, MAX_MATRIX_SIZE):
        return False
    operations = stages * count_scalar_operations(field.jaxpr)
    if derivatives is not None:
        operations += count_scalar_operations(derivatives.jaxpr)
    return operations <= MAX_SCALAR_OPERATIONS


def _kind(operand: Any, components: bool) -> str:
    if not is_inexact(operand):
        return "const"
    size = int(np.prod(operand.shape))
    return "scalars" if components and 0 < size <= MAX_OPERAND_SIZE else "array"


def _taken_apart(operand: Any, kind: str) -> list:
    return [operand] if kind == "array" else list(unpack(jnp.asarray(operand)).entries.reshape(-1))


def _grouped(entries: tuple, shapes: list) -> list:
    groups, start = [], 0
    for shape, dtype in shapes:
        size = int(np.prod(shape))
        groups.append(_group(list(entries[start : start + size]), shape, dtype))
        start += size
    return groups


def _group(entries: list, shape: tuple, dtype: Any) -> Components:
    grid = np.empty(len(entries), dtype=object)
    for i, entry in enumerate(entries):
        grid[i] = entry
    return Components(grid.reshape(shape), dtype)


def _cast(leaf: Any, dtype: Any) -> Any:
    # A result known while tracing is a NumPy scalar; the loops want arrays.
    return jnp.asarray(leaf).astype(dtype)
