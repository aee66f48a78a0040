"""The vector field linearised at a point, and linear systems with `shift M - J`.

Implicit methods see only this: whether the Jacobian is held as scalars, as a dense array, compressed by a colouring or
not at all is decided once, when the system is made.
"""

import functools
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from ...numerics.dense_lu import dense_lu_factor, dense_lu_solve
from ...numerics.linear_solve import factorised_solver
from ...numerics.small_lu import small_lu_factor, small_lu_solve
from .flat import concatenate, split_like


class Mass(NamedTuple):
    """A mass matrix bound to its values; `None` in its place means the identity."""

    values: Any
    """Its entries: an array of shape (k,), or a tuple of k scalars for components."""
    rows: tuple
    columns: tuple
    size: int

    def product(self, v: tuple) -> tuple:
        """`M v` for a tuple of leaves or of components."""
        if isinstance(self.values, tuple):
            out: list = [jnp.zeros_like(leaf) for leaf in v]
            for value, i, j in zip(self.values, self.rows, self.columns, strict=True):
                out[i] = out[i] + value * v[j]
            return tuple(out)
        flat = concatenate(v)
        if self.rows == self.columns:
            return split_like(self.diagonal().astype(flat.dtype) * flat, v)
        return split_like(jnp.matmul(self.dense().astype(flat.dtype), flat, precision=lax.Precision.HIGHEST), v)

    def diagonal(self) -> Any:
        """The diagonal, shape (n,); for array values."""
        rows, columns = np.array(self.rows, int), np.array(self.columns, int)
        on = np.flatnonzero(rows == columns)
        return jnp.zeros(self.size, self.values.dtype).at[rows[on]].set(self.values[on])

    def dense(self) -> Any:
        """The matrix, shape (n, n); for array values."""
        places = np.array(self.rows, int), np.array(self.columns, int)
        return jnp.zeros((self.size, self.size), self.values.dtype).at[places].set(self.values)

    def entries(self) -> dict:
        """Place -> scalar; for components."""
        return dict(zip(zip(self.rows, self.columns, strict=True), self.values, strict=True))


class Linearisation(NamedTuple):
    """The linearisation with a dense Jacobian."""

    jacobian: Any
    """`df/dy`, an array of shape (n, n) over the concatenated leaves."""
    time_derivative: tuple | None
    """`df/dt`, as a tuple like the state; None where it is known to vanish."""
    mass: Any = None
    """A `Mass`, or what stands in its place; None for the identity."""

    def size(self) -> Any:
        """The maximum norm of the Jacobian, a bound of its spectral radius; no derivative."""
        return lax.stop_gradient(jnp.max(jnp.sum(jnp.abs(self.jacobian), axis=1)))

    def product(self, v: tuple) -> tuple:
        """`J v`."""
        return split_like(jnp.matmul(self.jacobian, concatenate(v), precision=lax.Precision.HIGHEST), v)

    def factorise(self, shift: Any) -> Any:
        """Factors of `shift M - J`, a pytree of arrays that may be kept from step to step; `shift` may be complex."""
        return dense_lu_factor(self._shifted(shift))

    def solve(self, factors: Any, rhs: tuple) -> tuple:
        """`(shift M - J) x = rhs` from the factors; complex for a complex shift. Not for derivatives."""
        x = dense_lu_solve(factors, concatenate(rhs).astype(factors.lu.dtype))
        return split_any(x, rhs)

    def solve_counted(self, factors: Any, rhs: tuple) -> tuple[tuple, Any]:
        """`solve`, and the Jacobian-vector products that it took."""
        return self.solve(factors, rhs), 0.0

    def shifted_solver(self, shift: Any):
        """`solve(rhs)` for `(shift M - J) x = rhs`, with one factorisation; differentiable in everything."""
        solve = factorised_solver(self._shifted(shift))
        return lambda rhs: split_like(solve(concatenate(rhs)), rhs)

    def _shifted(self, shift: Any) -> Any:
        size, dtype = self.jacobian.shape[0], self.jacobian.dtype
        shift = as_shift(shift, dtype)
        mass = jnp.eye(size, dtype=dtype) if self.mass is None else self.mass.dense().astype(dtype)
        return shift * mass - self.jacobian


class ComponentLinearisation(NamedTuple):
    """The linearisation of a small state held as components: everything is written out."""

    jacobian: tuple
    """Rows of scalars."""
    time_derivative: tuple | None
    """As for `Linearisation`."""
    mass: Any = None
    """As for `Linearisation`."""

    def size(self) -> Any:
        """The maximum norm of the Jacobian, a bound of its spectral radius; no derivative."""
        rows = [sum(jnp.abs(jnp.asarray(entry)) for entry in row) for row in self.jacobian]
        return lax.stop_gradient(functools.reduce(jnp.maximum, rows))

    def product(self, v: tuple) -> tuple:
        """`J v`."""
        return tuple(sum((a * b for a, b in zip(row[1:], v[1:], strict=True)), row[0] * v[0]) for row in self.jacobian)

    def factorise(self, shift: Any) -> Any:
        """Factors of `shift M - J`, a pytree of scalars; `shift` may be complex."""
        return small_lu_factor(self._shifted(shift))

    def solve(self, factors: Any, rhs: tuple) -> tuple:
        """`(shift M - J) x = rhs` from the factors. Not for derivatives."""
        return small_lu_solve(factors, rhs)

    def solve_counted(self, factors: Any, rhs: tuple) -> tuple[tuple, Any]:
        """`solve`, and the Jacobian-vector products that it took."""
        return self.solve(factors, rhs), 0.0

    def shifted_solver(self, shift: Any):
        """`solve(rhs)` for `(shift M - J) x = rhs`, with one factorisation; differentiable in everything."""
        return factorised_solver(self._shifted(shift))

    def _shifted(self, shift: Any) -> tuple:
        if self.mass is None:
            scaled = {(i, i): shift for i in range(len(self.jacobian))}
        else:
            scaled = {place: shift * entry for place, entry in self.mass.entries().items()}
        return tuple(
            tuple((scaled[i, j] - entry) if (i, j) in scaled else -entry for j, entry in enumerate(row))
            for i, row in enumerate(self.jacobian)
        )


def as_shift(shift: Any, dtype: Any) -> Any:
    """The shift in the precision of the Jacobian; complex stays complex."""
    is_complex = jnp.issubdtype(jnp.asarray(shift).dtype, jnp.complexfloating)
    return jnp.asarray(shift).astype(jnp.result_type(dtype, jnp.complex64) if is_complex else dtype)


def split_any(vector: Any, leaves: tuple) -> tuple:
    """`split_like` that keeps a complex result complex."""
    if not jnp.issubdtype(vector.dtype, jnp.complexfloating):
        return split_like(vector, leaves)
    parts, start = [], 0
    for leaf in leaves:
        part = vector[start : start + leaf.size]
        parts.append(part.reshape(leaf.shape))
        start += leaf.size
    return tuple(parts)
