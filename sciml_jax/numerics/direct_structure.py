"""Direct solves with matrices of one sparsity pattern: what every structure offers, and the derivative of a solve."""

import abc
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Array, Inexact, Int

from .sparse_matrix import sparse_matvec
from .sparsity import SparsityPattern


@jax.tree_util.register_static
class DirectStructure(abc.ABC):
    """How matrices of one sparsity pattern are stored, factored and solved with.

    Parameters
    ----------
    pattern
        Square.
    order
        In which order rows and columns are eliminated; None for the given one.

    Notes
    -----
    A constant of the program: hashed by content, for JAX a pytree without leaves. The factors are a pytree of arrays.
    """

    name: ClassVar[str]
    pattern: SparsityPattern
    order: Int[np.ndarray, " n"]

    def __init__(self, pattern: SparsityPattern, order: Any = None):
        if pattern.shape[0] != pattern.shape[1]:
            msg = f"A linear system needs a square pattern; got shape {pattern.shape}. Check how it was made."
            raise ValueError(msg)
        size = pattern.shape[0]
        self.pattern = pattern
        self.order = np.arange(size) if order is None else np.asarray(order, dtype=np.int64)
        if not np.array_equal(np.sort(self.order), np.arange(size)):
            msg = f"`order` must be a permutation of 0 to {size - 1}; got {self.order}. Use `reverse_cuthill_mckee`."
            raise ValueError(msg)

    def __init_subclass__(cls):
        jax.tree_util.register_static(cls)

    def __hash__(self) -> int:
        return hash((type(self), self.pattern, self.order.tobytes()))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and (self.pattern, self.order.tobytes()) == (
            other.pattern,  # pyright: ignore[reportAttributeAccessIssue]
            other.order.tobytes(),  # pyright: ignore[reportAttributeAccessIssue]
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.pattern!r}, {self.describe()})"

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return self.pattern.shape[0]

    @cached_property
    def position(self) -> Int[np.ndarray, " n"]:
        """Where each unknown lies in the order."""
        position = np.empty(self.size, dtype=np.int64)
        position[self.order] = np.arange(self.size)
        return position

    @property
    @abc.abstractmethod
    def flops(self) -> float:
        """Multiplications and additions of one factorisation."""

    @property
    @abc.abstractmethod
    def cost(self) -> float:
        """The flops weighted by how slowly they go, in units of those of a large matrix product."""

    @abc.abstractmethod
    def describe(self) -> str:
        """The sizes that decide the cost."""

    @abc.abstractmethod
    def factor(self, values: Inexact[Array, " nnz"]) -> Any:
        """The factors of the matrix with the given values, a pytree of arrays."""

    @abc.abstractmethod
    def solve(self, factors: Any, rhs: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
        """`x` with `A x = rhs`, linear in `rhs`."""

    def solver(self, values: Inexact[Array, " nnz"]) -> Callable[[Any], Any]:
        """Factor once and return `solve(rhs)`, differentiable in the values and in `rhs`, to any order.

        The derivative is the system's own, `dx = A^-1 (drhs - dA x)`, with the same factors; `dA` is sparse.
        """
        factors = self.factor(values)
        return lambda rhs: _solve(self, values, factors, rhs)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _solve(structure: DirectStructure, values: Any, factors: Any, rhs: Any) -> Any:
    del values
    return structure.solve(factors, rhs)


@_solve.defjvp
def _solve_jvp(structure, primals, tangents):
    values, factors, rhs = primals
    values_dot, _, rhs_dot = tangents
    x = _solve(structure, values, factors, rhs)
    residual = rhs_dot - sparse_matvec(values_dot, structure.pattern, x)
    return x, _solve(structure, values, factors, residual)
