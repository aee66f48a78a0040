"""Functions of the linear part of a vector field, as exponential integrators use them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.interpreters import partial_eval

from ...core.tree import describe
from ...numerics.phi_functions import doubled, phi_functions, phi_matrices
from ..engine.flat import concatenate, split_like
from ..split import Linear, Split


class DiagonalFunctions(eqx.Module):
    """An operator with one factor for each number of the state; its functions are tuples like the state."""

    is_real: bool = eqx.field(static=True)
    """Whether all factors are real, which those of a complex state may be."""

    def operator(self, part: Any, t: Any, y: tuple) -> tuple:
        """The factors, whatever pytree or function they came from; `part` is the system of the linear part."""
        factors = part.vector_field(t, tuple(jnp.ones_like(leaf) for leaf in y))
        return tuple(leaf.real for leaf in factors) if self.is_real else factors

    def phis(self, h: Any, operator: tuple) -> tuple:
        """phi_0 to phi_3 of `h L`."""
        return tuple(zip(*[phi_functions(_real_like(h, leaf) * leaf) for leaf in operator], strict=True))

    def exponential(self, h: Any, operator: tuple) -> tuple:
        """`e^(hL)`."""
        return tuple(jnp.exp(_real_like(h, leaf) * leaf) for leaf in operator)

    def doubled(self, phis: tuple) -> tuple:
        """The functions at twice the argument."""
        return tuple(zip(*[doubled(values, jnp.multiply) for values in zip(*phis, strict=True)], strict=True))

    def apply(self, function: tuple, y: tuple) -> tuple:
        """The product of a function of `L` with a state."""
        return tuple(factor * leaf for factor, leaf in zip(function, y, strict=True))


class MatrixFunctions(eqx.Module):
    """An operator that is a matrix over the concatenated leaves of the state; so are its functions."""

    def operator(self, part: Any, t: Any, y: tuple) -> Any:
        """The matrix, column by column; a constant that is added to the product does not count."""
        flat = lambda vector: concatenate(part.vector_field(t, split_like(vector, y)))
        zero = jnp.zeros_like(concatenate(y))
        offset = flat(zero)
        return jax.vmap(lambda unit: flat(unit) - offset, out_axes=1)(jnp.eye(zero.size, dtype=zero.dtype))

    def phis(self, h: Any, operator: Any) -> tuple:
        """phi_0 to phi_3 of `h L`."""
        return phi_matrices(_real_like(h, operator) * operator)

    def exponential(self, h: Any, operator: Any) -> Any:
        """`e^(hL)`."""
        return phi_matrices(_real_like(h, operator) * operator, last=0)[0]

    def doubled(self, phis: tuple) -> tuple:
        """The functions at twice the argument."""
        return doubled(phis, lambda a, b: jnp.matmul(a, b, precision=lax.Precision.HIGHEST))

    def apply(self, function: Any, y: tuple) -> tuple:
        """The product of a function of `L` with a state."""
        return split_like(jnp.matmul(function, concatenate(y), precision=lax.Precision.HIGHEST), y)


def functions_of(linear: Any, problem: Any, name: str) -> DiagonalFunctions | MatrixFunctions:
    """How to compute with functions of the linear part of a problem; messages call the method `name`.

    Raises
    ------
    ValueError
        For a function whose Jacobian depends on the state.
    """
    if not isinstance(linear, Linear):
        _check_affine(linear, problem, name)
        return MatrixFunctions()
    jax.eval_shape(lambda: linear(problem.t0, problem.y0, problem.args))  # says what does not fit
    if linear.is_diagonal(problem.y0, problem.args):
        return DiagonalFunctions(linear.is_real(problem.args))
    return MatrixFunctions()


def checked_split(problem: Any, name: str) -> Split:
    """The problem's vector field, which must be a `Split`; messages call the method `name`."""
    field = problem.vector_field
    if isinstance(field, Split):
        return field
    msg = (
        f"`{name}` needs a vector field in two parts, `sj.Split(explicit, implicit)`; got a {type(field).__name__}. "
        "Write `sj.Split(N, sj.Linear(L))` for `dy/dt = L y + N(t, y)`, or use a general method such as "
        "`sj.Rodas5P()`, also as the `method=` of an adjoint that solves another equation."
    )
    raise ValueError(msg)


def _check_affine(linear: Any, problem: Any, name: str) -> None:
    """Refuse a function whose Jacobian depends on the state: what remains of it without the state tells."""
    y0, t0 = problem.y0, problem.t0
    product = lambda y, dy: jax.jvp(lambda y: linear(t0, y, problem.args), (y,), (dy,))[1]
    closed = jax.make_jaxpr(product)(y0, y0)
    _, used = partial_eval.dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars))
    if any(used[: len(jax.tree_util.tree_leaves(y0))]):
        msg = (
            f"`{name}` needs an implicit part that is linear in the state; got a function whose Jacobian depends on "
            f"the state, {describe(y0)}. Move the nonlinear terms into the explicit part, or use `sj.Rodas5P()`."
        )
        raise ValueError(msg)


def _real_like(h: Any, leaf: Any) -> Any:
    """A time in the precision of the state."""
    return jnp.asarray(h).astype(leaf.real.dtype)
